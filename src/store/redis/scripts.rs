//! What runs inside Redis, in one atomic step?

use std::sync::LazyLock;
use std::time::Duration;

use redis::Cmd;

use super::codec::{LIMITED, PLAIN};
use crate::session::key::SessionKey;
use crate::session::time::{Timestamp, whole_millis};
use crate::session::touch::Touch;

/// A script to run, with what it is to be told about its keys. In a Cluster, those are one.
pub(super) enum Call<'a> {
    /// Moves last activity where the touch applies, in one record after the other. Answers each as it was, or nothing.
    Touch(&'a [Touch]),
    /// Writes the record if there is none. Answers the one that was there, or nothing.
    Begin {
        record: &'a [u8],
        keep_until: Timestamp,
    },
    /// Marks the record and announces it. Answers 1, or 0 if there is none, or -1 if it is malformed.
    Revoke {
        keep_until: Timestamp,
        channel: &'a str,
        key: SessionKey,
    },
    /// Tells the time of the server that has the key.
    Time,
}

const PACKED: usize = 37;

impl Call<'_> {
    /// The usual call. The server refuses it until it has seen the whole script.
    pub(super) fn by_hash(&self, keys: &[&str]) -> Cmd {
        self.command("EVALSHA", &self.script().hash, keys)
    }

    /// The call with the whole script.
    pub(super) fn whole(&self, keys: &[&str]) -> Cmd {
        self.command("EVAL", &self.script().code, keys)
    }

    fn command(&self, eval: &str, script: &str, keys: &[&str]) -> Cmd {
        // Room for all of it, so that a touch does not move it from one allocation to the next.
        let size = keys.iter().map(|key| key.len() + PACKED).sum::<usize>();
        let mut command = Cmd::with_capacity(5 + 2 * keys.len(), script.len() + size + 32);
        command.arg(eval).arg(script).arg(keys.len()).arg(keys);
        match self {
            Call::Touch(touches) => {
                for touch in *touches {
                    command.arg(&packed(touch)[..]);
                }
            }
            Call::Begin { record, keep_until } => {
                command.arg(*record).arg(keep_until.as_unix_millis());
            }
            Call::Revoke {
                keep_until,
                channel,
                key,
            } => {
                command
                    .arg(keep_until.as_unix_millis())
                    .arg(*channel)
                    .arg(&key.to_bytes()[..]);
            }
            Call::Time => {}
        }
        command
    }

    fn script(&self) -> &'static Script {
        match self {
            Call::Touch(_) => &TOUCH_SCRIPT,
            Call::Begin { .. } => &BEGIN_SCRIPT,
            Call::Revoke { .. } => &REVOKE_SCRIPT,
            Call::Time => &TIME_SCRIPT,
        }
    }
}

/// A touch in one argument, since to read seven takes Redis a fifth of the script's time.
fn packed(touch: &Touch) -> [u8; PACKED] {
    let policy = touch.policy();
    let never_early = policy.is_never_early();
    let grace = if never_early {
        policy.touch_every()
    } else {
        Duration::ZERO
    };
    let mut packed = [0; PACKED];
    let (times, flag) = packed.split_at_mut(36);
    let millis = [
        touch.last_activity().as_unix_millis(),
        touch.now().as_unix_millis(),
        whole_millis(policy.idle().saturating_add(grace)),
        whole_millis(policy.absolute()),
        whole_millis(policy.touch_every()),
        whole_millis(policy.remember_expired_for()),
    ];
    for (place, millis) in times.chunks_exact_mut(6).zip(millis) {
        // Longer than there are timestamps is as good as for ever.
        let millis = millis.min((1 << 48) - 1).to_be_bytes();
        place.copy_from_slice(&millis[2..]);
    }
    flag[0] = u8::from(never_early);
    packed
}

/// Lua, and the SHA-1 that the server knows it by.
struct Script {
    code: String,
    hash: String,
}

impl Script {
    fn new(code: &str) -> Self {
        let code = code
            .replace("KEEP", KEEP)
            .replace("$PLAIN", &PLAIN.to_string())
            .replace("$LIMITED", &LIMITED.to_string())
            .replace("$LATER", &whole_millis(LATER).to_string())
            .replace("$FOREVER", &Timestamp::MAX.as_unix_millis().to_string());
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }
}

static TOUCH_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TOUCH));
static BEGIN_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(BEGIN));
static REVOKE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(REVOKE));
static TIME_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('TIME')"));

/// Writes `record` and has it removed at `keep`. Redis refuses to expire at 0.
const KEEP: &str = "
if keep < $FOREVER then
  redis.call('SET', key, record, 'PXAT', string.format('%.0f', math.max(keep, 1)))
else
  redis.call('SET', key, record)
end";

/// How much longer than it has to be is a record kept when a touch moves its removal, so that the next touches need not: they write
/// last activity where it stands, which spares Redis a third of the script's time.
const LATER: Duration = Duration::from_secs(60);

/// `Touch::applied_to`, once more. A whole policy fits in a few lines because durations come as milliseconds rounded
/// up, as Rust compares them. A record that is malformed or revoked goes back as it is, and what is no string as an empty
/// one: it must not fail the others.
const TOUCH: &str = "
local function touched(key, packed)
  local before = redis.pcall('GET', key)
  if type(before) == 'table' then
    if before.err:find('WRONGTYPE', 1, true) then return '' end
    return error(before.err)
  end
  if not before or before:sub(1, 2) ~= '1L' or (#before ~= $PLAIN and #before ~= $LIMITED) then
    return before
  end
  local at, now, idle, absolute, every, remember, never_early = struct.unpack('>I6I6I6I6I6I6B', packed)
  local created, last, keep = struct.unpack('>I6I6I6', before, 3)
  if created > last or last > $FOREVER or keep > $FOREVER then return before end
  if #before == $LIMITED then
    local own_idle, own_absolute = struct.unpack('>I8I8', before, 21)
    if own_idle > 0 then
      every = math.min(every, math.ceil(own_idle / 2))
      idle = own_idle
      if never_early == 1 then idle = idle + every end
    end
    if own_absolute > 0 then absolute = own_absolute end
  end
  local due = at > last and at - last >= every
  local live = now - last < idle and now - created < absolute
  if due and live then
    local ends = math.min(at + idle, created + absolute, $FOREVER)
    local needed = math.min(ends + remember, $FOREVER)
    if needed <= keep then
      redis.call('SETRANGE', key, 8, struct.pack('>I6', at))
    else
      keep = math.min(needed + $LATER, $FOREVER)
      local record = before:sub(1, 8) .. struct.pack('>I6I6', at, keep) .. before:sub(21)
      KEEP
    end
  end
  return before
end
local answers = {}
for i, key in ipairs(KEYS) do answers[i] = touched(key, ARGV[i]) end
return answers";

const BEGIN: &str = "
local key = KEYS[1]
local before = redis.call('GET', key)
if not before then
  local record, keep = ARGV[1], tonumber(ARGV[2])
  KEEP
end
return before";

const REVOKE: &str = "
local key = KEYS[1]
local before = redis.call('GET', key)
if not before then return 0 end
local state = before:sub(1, 2)
if (state ~= '1L' and state ~= '1R') or (#before ~= $PLAIN and #before ~= $LIMITED) then return -1 end
local created, last, keep = struct.unpack('>I6I6I6', before, 3)
if created > last or last > $FOREVER or keep > $FOREVER then return -1 end
keep = math.max(keep, tonumber(ARGV[1]))
local record = '1R' .. before:sub(3, 14) .. struct.pack('>I6', keep) .. before:sub(21)
KEEP
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1";
