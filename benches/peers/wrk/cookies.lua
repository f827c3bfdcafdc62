-- A wrk script. Each request has the next session cookie of a file. At the end, it prints one line
-- with the number of requests, the microseconds, the p99 and the number of failed requests.

local requests, turn = {}, 0

function init(arguments)
  for cookie in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { ["Cookie"] = cookie })
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local p99 = latency:percentile(99)
  print(string.format("measured %d %d %d %d", summary.requests, summary.duration, p99, failed))
end
