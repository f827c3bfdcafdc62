//! A call of a script: its arguments, and the command.

use std::time::Duration;

use redis::Cmd;

use super::scripts::{
    BEGIN_SCRIPT, CREATE_SCRIPT, LINK_SCRIPT, NOTE_SCRIPT, REPLACE_SCRIPT, REVOKE_SCRIPT, Script,
    TIME_SCRIPT, TOUCH_SCRIPT, UNLINK_SCRIPT,
};
use crate::session::key::SessionKey;
use crate::session::time::{Timestamp, whole_millis};
use crate::session::touch::Touch;
use crate::session::user::UserKey;

/// A script, and its arguments for its keys.
///
/// A script that changes a record by anything but activity has two keys: the record's, and the log
/// in which it notes the session's key. In a Cluster every script has one key, and notes nothing.
pub(super) enum Call<'a> {
    /// Moves last activity in each record that its touch applies to. Answers a list: each record as
    /// it was, or nil where there is none, or a list of the record and why it was not written.
    Touch(&'a [Touch]),
    /// Writes the record where there is none. Answers the record that was there, or nil,
    /// or a list of nil and why it was not written.
    Begin {
        record: &'a [u8],
        keep_until: Timestamp,
    },
    /// Writes the record in the place of any other, and notes that. Answers 1, or a list of nil and
    /// why it was not written.
    Create {
        key: SessionKey,
        record: &'a [u8],
        keep_until: Timestamp,
    },
    /// Writes the record in the place of another one, where that is still there, and notes that.
    /// Answers 1, or the record that is there instead, or nil, or a list of nil and why it was not
    /// written.
    Replace {
        key: SessionKey,
        before: &'a [u8],
        record: &'a [u8],
        keep_until: Timestamp,
    },
    /// Marks the record as revoked, and notes that. Answers the record as it was, or nil where
    /// there is none, or -1 where it is malformed, or a list of nil and why it was not written.
    Revoke {
        key: SessionKey,
        keep_until: Timestamp,
    },
    /// Notes a change, or without a session key only a position. The log is the script's only key.
    /// Answers the position.
    Note(Option<SessionKey>),
    /// Writes a session into the list of a user, and keeps the list for long enough. Answers 1.
    Link {
        session: SessionKey,
        value: &'a [u8],
        keep_until: Timestamp,
    },
    /// Removes the link of a session, if it leads to this user. Answers 1.
    Unlink(UserKey),
    /// Answers the time of the server that has the key.
    Time,
}

/// The length of a packed touch.
const PACKED: usize = 7 * 6 + 1;

impl Call<'_> {
    /// Builds the usual command. The server refuses it until it has seen the whole script.
    pub(super) fn by_hash(&self, keys: &[&str]) -> Cmd {
        self.command("EVALSHA", &self.script().hash, keys)
    }

    /// Builds the command with the whole script.
    pub(super) fn whole(&self, keys: &[&str]) -> Cmd {
        self.command("EVAL", &self.script().code, keys)
    }

    fn command(&self, eval: &str, script: &str, keys: &[&str]) -> Cmd {
        // One allocation with room for everything.
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
            Call::Create {
                key,
                record,
                keep_until,
            } => {
                command.arg(*record).arg(keep_until.as_unix_millis());
                command.arg(&key.to_bytes()[..]);
            }
            Call::Replace {
                key,
                before,
                record,
                keep_until,
            } => {
                let keep_until = keep_until.as_unix_millis();
                command.arg(*before).arg(*record).arg(keep_until);
                command.arg(&key.to_bytes()[..]);
            }
            Call::Revoke { key, keep_until } => {
                command.arg(keep_until.as_unix_millis());
                command.arg(&key.to_bytes()[..]);
            }
            Call::Note(key) => {
                let key = key.map(SessionKey::to_bytes);
                command.arg(key.as_ref().map_or(&[][..], |key| key));
            }
            Call::Link {
                session,
                value,
                keep_until,
            } => {
                command.arg(&session.to_bytes()[..]).arg(*value);
                command.arg(keep_until.as_unix_millis());
            }
            Call::Unlink(user) => {
                command.arg(&user.to_bytes()[..]);
            }
            Call::Time => {}
        }
        command
    }

    fn script(&self) -> &'static Script {
        match self {
            Call::Touch(_) => &TOUCH_SCRIPT,
            Call::Begin { .. } => &BEGIN_SCRIPT,
            Call::Create { .. } => &CREATE_SCRIPT,
            Call::Replace { .. } => &REPLACE_SCRIPT,
            Call::Revoke { .. } => &REVOKE_SCRIPT,
            Call::Note(_) => &NOTE_SCRIPT,
            Call::Link { .. } => &LINK_SCRIPT,
            Call::Unlink(_) => &UNLINK_SCRIPT,
            Call::Time => &TIME_SCRIPT,
        }
    }
}

/// Packs a touch into one argument. Seven arguments would cost Redis a fifth of the script's time.
///
/// Offsets 0, 6, 12, 18, 24, 30 and 36 hold 48-bit big-endian milliseconds: the new last activity,
/// the time of the request, the idle timeout, the absolute timeout, `touch_every`, how long an
/// expired session is remembered, and the rotation overlap. Offset 42 is 1 for a policy that is
/// never early, or else 0.
fn packed(touch: &Touch) -> [u8; PACKED] {
    let policy = touch.policy();
    let never_early = policy.is_never_early();
    let grace = if never_early {
        policy.touch_every()
    } else {
        Duration::ZERO
    };
    let mut packed = [0; PACKED];
    let (times, flag) = packed.split_at_mut(42);
    let millis = [
        touch.last_activity().as_unix_millis(),
        touch.now().as_unix_millis(),
        whole_millis(policy.idle().saturating_add(grace)),
        whole_millis(policy.absolute()),
        whole_millis(policy.touch_every()),
        whole_millis(policy.remember_expired_for()),
        whole_millis(policy.rotation_overlap()),
    ];
    for (place, millis) in times.chunks_exact_mut(6).zip(millis) {
        // 48 bits hold every timestamp, so a longer duration has the same effect as the longest.
        let millis = millis.min((1 << 48) - 1).to_be_bytes();
        place.copy_from_slice(&millis[2..]);
    }
    flag[0] = u8::from(never_early);
    packed
}
