//! The Lua scripts: each runs inside Redis as one atomic step.

use std::sync::LazyLock;
use std::time::Duration;

use super::codec::{IDS, LIMITED, PLAIN};
use crate::session::time::{Timestamp, whole_millis};

/// A script in Lua, and the SHA-1 that the server knows it by.
pub(super) struct Script {
    pub(super) code: String,
    pub(super) hash: String,
}

impl Script {
    fn new(code: &str) -> Self {
        let code = code
            .replace("WRITE", WRITE)
            .replace("NOTE", NOTE)
            .replace("$LENGTH", &LENGTH.to_string())
            .replace("$PLAIN_IDS", &(PLAIN + IDS).to_string())
            .replace("$LIMITED_IDS", &(LIMITED + IDS).to_string())
            .replace("$PLAIN", &PLAIN.to_string())
            .replace("$LIMITED", &LIMITED.to_string())
            .replace("$IDS", &IDS.to_string())
            .replace("$NEVER", &((1_u64 << 48) - 1).to_string())
            .replace("$LATER", &whole_millis(LATER).to_string())
            .replace("$FOREVER", &Timestamp::MAX.as_unix_millis().to_string());
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }
}

pub(super) static TOUCH_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TOUCH));
pub(super) static BEGIN_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(BEGIN));
pub(super) static CREATE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(CREATE));
pub(super) static REPLACE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(REPLACE));
pub(super) static REVOKE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(REVOKE));
pub(super) static NOTE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(NOTE_ALONE));
pub(super) static LINK_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(LINK));
pub(super) static UNLINK_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(UNLINK));
pub(super) static TIME_SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('TIME')"));

/// Writes a record that is to be removed at `keep`. The earliest removal is 1, because Redis
/// refuses 0.
///
/// `set` returns what the server answers, which is a table with an `err` where it refuses.
/// `replace` is for a record that is there already. It returns the error's text, or nil.
///
/// `replace` also works where memory is full. A script whose first write needs no memory may go on
/// to the end, also with writes that need some: Redis and Valkey never stop a script that has begun
/// to write. So after an `OOM` it begins again with `PERSIST`, which needs no memory. `SET` then
/// puts the new record, which is as long, in the place of the old one, and sets the removal again.
/// The flag `allow-oom`, which scripts can have since Redis 7.0, does the same, but older servers
/// refuse a script that has flags.
const WRITE: &str = "
local function has_length_of_record(text)
  local length = #text
  return length == $PLAIN or length == $LIMITED or length == $PLAIN_IDS or length == $LIMITED_IDS
end
local function set(key, record, keep)
  if keep < $FOREVER then
    return redis.pcall('SET', key, record, 'PXAT', string.format('%.0f', math.max(keep, 1)))
  end
  return redis.pcall('SET', key, record)
end
local function replace(key, record, keep)
  local answer = set(key, record, keep)
  if answer.err and answer.err:find('OOM ', 1, true) then
    redis.pcall('PERSIST', key)
    answer = set(key, record, keep)
  end
  return answer.err
end";

/// How many changes the log holds at least. It holds up to a hundred more, since Redis cuts it by
/// whole blocks. They take 2.4 MB of Redis' memory.
///
/// A reader that stops while this many sessions change is told that any may have changed. While a
/// thousand change in a second, it may stop for a minute.
const LENGTH: usize = 65_536;

/// Adds a session's key to the log of changes. An empty key only marks a position.
///
/// A script that has changed a record ignores the answer: the change counts also where the log
/// refuses the note, because the user's rights do not allow it or another program has put a value
/// of its own there. Full memory is no reason to refuse, as [`WRITE`] says.
const NOTE: &str = "
local function note(log, key)
  return redis.pcall('XADD', log, 'MAXLEN', '~', '$LENGTH', '*', 'k', key)
end";

/// How much later than needed a touch sets a record's removal. The touches of the next minute then
/// do not move the removal. They only overwrite last activity in place, which saves Redis a third
/// of the script's time.
const LATER: Duration = Duration::from_secs(60);

/// The rules of `Touch::applied_to`, in Lua. Durations arrive as milliseconds that are rounded up,
/// which compares like the durations in Rust. A record that is malformed or revoked is answered as
/// it is. A value that is no string is answered as an empty string, so that it does not fail the
/// others.
///
/// The byte offsets. `codec.rs` defines the record and `call.rs` the argument. Both are read by
/// `struct.unpack`, where `>` is big-endian, `I6` a 48-bit number, `I8` a 64-bit number and `B` a
/// byte. Lua counts from 1 and `SETRANGE` from 0: the field at offset 8 of the record is read at 9
/// and written at 8. In the record, offset 0 is the version and offset 1 the state: `sub(1, 2)` is
/// `1L` for a live record of this version. Creation is at offset 2, last activity at 8 and the
/// removal at 14, so `unpack('>I6I6I6', before, 3)` reads all three, and `SETRANGE key 8`
/// overwrites last activity alone. The own limits, where the record has them, follow at offset 20:
/// `unpack('>I8I8', before, 21)`. The ids of a session that has several are the last 23 bytes. To
/// move the removal as well, the record is put together again: `sub(1, 8)` (version, state,
/// creation), then last activity and removal, then `sub(21)` (the own limits and the ids, or
/// nothing). Lua's numbers are 64-bit floats. They hold each 48-bit time exactly. A limit beyond
/// 2^53 is rounded, and then it is later than every time.
///
/// A refusal is one record's: `pcall` keeps it from ending the script. Its answer is then a list of
/// the record and the error's text, so that a check is answered although nothing was written.
const TOUCH: &str = "WRITE
local pcall, pack, unpack = redis.pcall, struct.pack, struct.unpack
local function touched(key, packed)
  local before = pcall('GET', key)
  if type(before) == 'table' then
    if before.err:find('WRONGTYPE', 1, true) then return '' end
    return {false, before.err}
  end
  if not before or before:sub(1, 2) ~= '1L' or not has_length_of_record(before) then
    return before
  end
  local at, now, idle, absolute, every, remember, overlap, never_early =
    unpack('>I6I6I6I6I6I6I6B', packed)
  local created, last, keep = unpack('>I6I6I6', before, 3)
  if created > last or last > $FOREVER or keep > $FOREVER then return before end
  if #before == $LIMITED or #before == $LIMITED_IDS then
    local own_idle, own_absolute = unpack('>I8I8', before, 21)
    if own_idle > 0 then
      every = math.min(every, math.ceil(own_idle / 2))
      idle = own_idle
      if never_early == 1 then idle = idle + every end
    end
    if own_absolute > 0 then absolute = own_absolute end
  end
  local due = at > last and at - last >= every
  local live = now - last < idle and now - created < absolute and last - now <= idle
  local valid_until = $FOREVER
  if #before > $LIMITED then
    local _, replaced = unpack('>BI6', before, #before - $IDS + 1)
    if replaced < $NEVER then
      live = live and math.max(now - replaced, 0) < overlap
      valid_until = replaced + 2 * overlap
    end
  end
  if due and live then
    local ends = math.min(at + idle, created + absolute, valid_until, $FOREVER)
    local needed = math.min(ends + remember, $FOREVER)
    if needed <= keep then
      local answer = pcall('SETRANGE', key, 8, pack('>I6', at))
      if type(answer) == 'number' then return before end
    else
      keep = math.min(needed + $LATER, $FOREVER)
    end
    local record = before:sub(1, 8) .. pack('>I6I6', at, keep) .. before:sub(21)
    local err = replace(key, record, keep)
    if err then return {before, err} end
  end
  return before
end
local answers = {}
for i, key in ipairs(KEYS) do answers[i] = touched(key, ARGV[i]) end
return answers";

/// Writes a session into the list of a user. The list is removed when its last session may be.
const LINK: &str = "
local key, keep = KEYS[1], tonumber(ARGV[3])
local existed = redis.call('EXISTS', key) == 1
redis.call('HSET', key, ARGV[1], ARGV[2])
local left = redis.call('PTTL', key)
if keep >= $FOREVER then
  redis.call('PERSIST', key)
elseif not existed or left >= 0 then
  local time = redis.call('TIME')
  local ends = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000 + left
  if not existed or ends < keep then
    redis.call('PEXPIREAT', key, string.format('%.0f', math.max(keep, 1)))
  end
end
return 1";

/// Removes the link of a session, if it leads to this user: after the version stand the 16 bytes of
/// the user.
const UNLINK: &str = "
local value = redis.call('GET', KEYS[1])
if value and value:sub(2, 17) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1";

/// Writes the record only where the key has no value.
const BEGIN: &str = "WRITE
local key = KEYS[1]
local before = redis.call('GET', key)
if not before then
  local answer = set(key, ARGV[1], tonumber(ARGV[2]))
  if answer.err then return {false, answer.err} end
end
return before";

/// Writes the record in the place of any other.
const CREATE: &str = "WRITE NOTE
local answer = set(KEYS[1], ARGV[1], tonumber(ARGV[2]))
if answer.err then return {false, answer.err} end
if KEYS[2] then note(KEYS[2], ARGV[3]) end
return 1";

/// Writes the record where the key still has the expected one.
const REPLACE: &str = "WRITE NOTE
local key = KEYS[1]
local before = redis.call('GET', key)
if before ~= ARGV[1] then return before end
local err = replace(key, ARGV[2], tonumber(ARGV[3]))
if err then return {false, err} end
if KEYS[2] then note(KEYS[2], ARGV[4]) end
return 1";

/// Sets the state at offset 1 to `R` and moves the removal at offset 14. The offsets are as in
/// [`TOUCH`]. A record that was revoked before is not noted again.
const REVOKE: &str = "WRITE NOTE
local key = KEYS[1]
local before = redis.call('GET', key)
if not before then return false end
local state = before:sub(1, 2)
local is_record = state == '1L' or state == '1R'
if not is_record or not has_length_of_record(before) then return -1 end
local created, last, keep = struct.unpack('>I6I6I6', before, 3)
if created > last or last > $FOREVER or keep > $FOREVER then return -1 end
keep = math.max(keep, tonumber(ARGV[1]))
local record = '1R' .. before:sub(3, 14) .. struct.pack('>I6', keep) .. before:sub(21)
local err = replace(key, record, keep)
if err then return {false, err} end
if KEYS[2] and state == '1L' then note(KEYS[2], ARGV[2]) end
return before";

/// Adds to the log alone. Where memory is full, it begins with a write that needs none, as
/// [`WRITE`] does.
const NOTE_ALONE: &str = "NOTE
local log, key = KEYS[1], ARGV[1]
local answer = note(log, key)
if type(answer) == 'table' and answer.err:find('OOM ', 1, true) then
  redis.pcall('PERSIST', log)
  answer = note(log, key)
end
return answer";
