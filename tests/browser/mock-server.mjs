// A server that keeps the contract of the layer, with one session for each cookie, and a clock that
// moves only when it is told to. The layer's own server can take its place: see README.md.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";

const ASSETS = new URL("../../src/browser/assets/", import.meta.url);
const FILES = {
  "/session/login-timeout.js": "login-timeout.min.js",
  "/session/login-timeout.0123abcd.js": "login-timeout.min.js",
  "/session/login-timeout.texts.js": "login-timeout.texts.js",
};

export async function startMockServer() {
  let now, limits, sessions;
  let lastId = 0;
  const reset = (changes) => {
    now = 0;
    sessions = new Map();
    limits = { idle: 300_000, absolute: 3_600_000, warn: 60_000, ...changes };
  };
  reset();

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://server");
    const numbers = Object.fromEntries([...url.searchParams].map(([key, value]) => [key, +value]));
    const body = await readAll(request);
    const key = /(?:^|; )sid=([^;]*)/.exec(request.headers.cookie ?? "")?.[1];
    const session = sessions.get(key);
    const send = (code, headers, content = "") => {
      response.writeHead(code, { "cache-control": "no-store", ...headers }).end(content);
    };
    const sendJson = (content, headers) => {
      const type = { "content-type": "application/json", ...headers };
      send(200, type, JSON.stringify(content));
    };

    switch (url.pathname) {
      case "/control/reset":
        reset(numbers);
        return send(204);
      case "/control/advance":
        now += numbers.ms;
        return send(204);
      case "/control/end": // As another computer would.
        for (const each of sessions.values()) each.isRevoked = true;
        return send(204);
      case "/control/restart": // A store that is shared is another server's.
        if (url.searchParams.get("store") != "shared") sessions.clear();
        return send(204);
      case "/login": {
        const id = `s${++lastId}`;
        sessions.set(id, { createdAt: now, activeAt: now });
        return send(204, { "set-cookie": `sid=${id}; Path=/; HttpOnly; SameSite=Lax` });
      }
      case "/session": {
        if (!["GET", "POST", "DELETE"].includes(request.method)) {
          return send(405, { allow: "GET, POST, DELETE" });
        }
        if (request.method == "GET") return sendJson(answer(session, key));
        if (!isSameOrigin(request)) return send(403);
        if (request.method == "POST") {
          if (session && !reason(session)) session.activeAt = now;
          return sendJson(answer(session, key));
        }
        if (session) session.isRevoked = true;
        return sendJson(answer(session, key), { "set-cookie": "sid=; Path=/; Max-Age=0" });
      }
    }

    if (url.pathname in FILES) {
      const content = readFileSync(new URL(FILES[url.pathname], ASSETS));
      const version = { "content-location": "login-timeout.0123abcd.js" };
      return send(200, { "content-type": "text/javascript", ...version }, content);
    }
    // Everything else is the application behind the layer. It tells what it got.
    const why = session && reason(session);
    if (!session || why) {
      response.statusMessage = "Login Time-out";
      const refusal = "<h1>440</h1><a href=/>Back</a>";
      const type = { "content-type": "text/html" };
      return send(440, { ...type, "login-timeout-reason": why ?? "unknown" }, refusal);
    }
    if (url.pathname != "/poll") session.activeAt = now; // It is passive.
    if (request.headers.accept?.startsWith("text/html") || request.headers["hx-request"]) {
      return send(200, { "content-type": "text/html" }, `<title>App</title><p id=app>${url.pathname}</p>`);
    }
    const { "x-test": header = null, "content-type": type = null } = request.headers;
    sendJson({ method: request.method, body: body.toString(), header, type });
  });

  function reason(session) {
    if (session.isRevoked) return "revoked";
    const absolute = session.createdAt + limits.absolute;
    const idle = session.activeAt + limits.idle;
    // Where both are over, the one that came first ended it.
    if (now >= Math.min(absolute, idle)) return absolute < idle ? "absolute" : "idle";
  }

  // `idleMs` is the idle timeout itself, not what is left of it.
  function answer(session, key) {
    const base = { reason: null, remainingMs: null, idleMs: limits.idle, absoluteRemainingMs: null };
    const warning = { warnBeforeMs: limits.warn };
    if (!key) return { state: "anonymous", ...base, ...warning };
    if (!session) return { state: "expired", ...base, reason: "unknown", ...warning };
    const why = reason(session);
    if (why) return { state: "expired", ...base, reason: why, ...warning };
    const absoluteRemainingMs = session.createdAt + limits.absolute - now;
    const remainingMs = Math.min(session.activeAt + limits.idle - now, absoluteRemainingMs);
    return { state: "active", ...base, remainingMs, absoluteRemainingMs, ...warning };
  }

  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => (server.closeAllConnections(), server.close()),
  };
}

function isSameOrigin({ headers }) {
  const site = headers["sec-fetch-site"];
  if (site) return site == "same-origin";
  return headers.origin != null && new URL(headers.origin).host == headers.host;
}

async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
