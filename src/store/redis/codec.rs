//! The format of a record in Redis, and the name of its key.

use std::time::Duration;

use redis::{ErrorKind, RedisError, Value};

use super::error::RedisStoreError;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::time::Timestamp;

/// The length of a record without its own limits.
///
/// Offset 0: the version `1`. Offset 1: the state, `L` for live or `R` for revoked. Offset 2: when
/// it was created. Offset 8: last activity. Offset 14: when it is removed. Times are milliseconds
/// since 1970 in 48 bits, big-endian.
pub(super) const PLAIN: usize = 2 + 3 * 6;
/// The length of a record with its own limits.
///
/// Offset 20: the idle timeout. Offset 28: the absolute timeout. Both are milliseconds in 64 bits,
/// big-endian. 0 stands for the policy's limit.
pub(super) const LIMITED: usize = PLAIN + 2 * 8;

/// The length of what follows in the record of a session with several ids.
///
/// Its first byte is 1 if the record names a next id, or else 0. Then come the time when the id was
/// replaced in 48 bits, where all bits set stand for never, and the 16 bytes of the next id.
pub(super) const IDS: usize = 1 + 6 + 16;

const NEVER: [u8; 6] = [0xff; 6];

const LIVE: &[u8] = b"1L";
const REVOKED: &[u8] = b"1R";

/// Writes a record as one string. Unless the session has several ids, it is shorter than the 44
/// bytes up to which Redis keeps a string in one allocation.
pub(super) fn pack(activity: &Activity, keep_until: Timestamp) -> Vec<u8> {
    let mut record = Vec::with_capacity(LIMITED);
    record.extend_from_slice(if activity.is_revoked() { REVOKED } else { LIVE });
    for at in [activity.created_at(), activity.last_activity(), keep_until] {
        // A timestamp fits in 48 bits.
        let [_, _, millis @ ..] = at.as_unix_millis().to_be_bytes();
        record.extend_from_slice(&millis);
    }
    let limits = activity.limits();
    if limits != Limits::default() {
        for limit in [limits.idle(), limits.absolute()] {
            // A limit is a whole number of milliseconds and fits in 64 bits.
            let millis = limit.map_or(0, |limit| limit.as_millis() as u64);
            record.extend_from_slice(&millis.to_be_bytes());
        }
    }
    if activity.replaced_at().is_some() || activity.next_id().is_some() {
        record.push(u8::from(activity.next_id().is_some()));
        let replaced_at = activity.replaced_at().map_or(NEVER, |at| {
            let [_, _, millis @ ..] = at.as_unix_millis().to_be_bytes();
            millis
        });
        record.extend_from_slice(&replaced_at);
        let next_id = activity.next_id().map_or([0; 16], SessionKey::to_bytes);
        record.extend_from_slice(&next_id);
    }
    record
}

/// Returns when a record that [`unpack`] has read is removed.
pub(super) fn keep_until(record: &[u8]) -> Timestamp {
    let millis = record.get(14..).map(timestamp);
    millis
        .and_then(Result::ok)
        .map_or(Timestamp::MAX, |(at, _)| at)
}

/// Reads a record. A string that [`pack`] does not write is an error: a record that cannot be read
/// is neither unknown nor valid for ever.
pub(super) fn unpack(record: &[u8]) -> Result<Activity, Malformed> {
    let (state, rest) = record.split_first_chunk::<2>().ok_or(Malformed)?;
    let (created_at, rest) = timestamp(rest)?;
    let (last_activity, rest) = timestamp(rest)?;
    let (_keep_until, rest) = timestamp(rest)?;
    if last_activity < created_at {
        return Err(Malformed);
    }
    let (own_limits, ids) = match rest.len().checked_sub(IDS) {
        Some(at) => rest.split_at(at),
        None => (rest, &[][..]),
    };
    let activity = Activity::began(created_at)
        .active_at(last_activity)
        .with_limits(limits(own_limits)?);
    let activity = with_ids(activity, ids)?;
    match &state[..] {
        LIVE => Ok(activity),
        REVOKED => Ok(activity.revoked()),
        _ => Err(Malformed),
    }
}

/// What a read answers: the record, `None` where there is none, or an error.
pub(super) type LoadResult = Result<Option<Activity>, RedisStoreError>;

/// Reads the record that the server answered for a key.
pub(super) fn read(key: &str, value: &Value) -> LoadResult {
    let malformed = || RedisStoreError::malformed(key.to_owned());
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(record) => unpack(record).map(Some).map_err(|_| malformed()),
        _ => Err(malformed()),
    }
}

/// Splits a script's answer into the record, and the error with which the server refused to write.
pub(super) fn split_refusal(answer: &Value) -> (&Value, Option<RedisError>) {
    if let Value::Array(parts) = answer
        && let [record, Value::BulkString(error)] = &parts[..]
    {
        return (record, Some(server_error(error)));
    }
    (answer, None)
}

/// Reads an error's text as a script sees it. Before Redis 7.0 it begins with the place in the
/// script.
fn server_error(text: &[u8]) -> RedisError {
    let text = String::from_utf8_lossy(text);
    let text = text.split_once(": -").map_or(&*text, |(_, text)| text);
    let line = format!("-{}\r\n", text.replace(['\r', '\n'], " "));
    match redis::parse_redis_value(line.as_bytes()).and_then(Value::extract_error) {
        Err(error) => error,
        Ok(_) => RedisError::from((ErrorKind::UnexpectedReturnType, "the error has no text")),
    }
}

/// The error for a string that is not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Returns the name of a session's key in Redis: the prefix, and the session key as 22 digits of
/// URL-safe base 64, most significant digit first.
pub(super) fn name(prefix: &str, key: SessionKey) -> String {
    [prefix, &digits(key.to_bytes())].concat()
}

/// Returns 16 bytes as 22 digits of URL-safe base 64, most significant digit first.
pub(super) fn digits(key: [u8; 16]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut number = u128::from_be_bytes(key);
    let mut text = [0; 22];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[number as usize & 63];
        number >>= 6;
    }
    // The digits are ASCII.
    str::from_utf8(&text).unwrap_or_default().to_owned()
}

/// Reads a time in 48 bits, and returns what follows.
pub(super) fn timestamp(bytes: &[u8]) -> Result<(Timestamp, &[u8]), Malformed> {
    let ([a, b, c, d, e, f], rest) = bytes.split_first_chunk::<6>().ok_or(Malformed)?;
    let millis = u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]);
    if millis > Timestamp::MAX.as_unix_millis() {
        return Err(Malformed);
    }
    Ok((Timestamp::from_unix_millis(millis), rest))
}

fn with_ids(activity: Activity, ids: &[u8]) -> Result<Activity, Malformed> {
    let Some((&[has_next, ref replaced_at @ ..], next_id)) = ids.split_first_chunk::<7>() else {
        return if ids.is_empty() {
            Ok(activity)
        } else {
            Err(Malformed)
        };
    };
    let next_id: [u8; 16] = next_id.try_into().map_err(|_| Malformed)?;
    let activity = match has_next {
        1 => activity.with_next_id(Some(SessionKey::from_bytes(next_id))),
        0 if next_id == [0; 16] && *replaced_at != NEVER => activity,
        _ => return Err(Malformed),
    };
    if *replaced_at == NEVER {
        return Ok(activity);
    }
    let (replaced_at, _) = timestamp(replaced_at)?;
    Ok(activity.replaced(replaced_at))
}

fn limits(bytes: &[u8]) -> Result<Limits, Malformed> {
    if bytes.is_empty() {
        return Ok(Limits::default());
    }
    let (idle, rest) = bytes.split_first_chunk::<8>().ok_or(Malformed)?;
    let absolute: [u8; 8] = rest.try_into().map_err(|_| Malformed)?;
    let mut limits = Limits::default();
    let own =
        |bytes| Some(Duration::from_millis(u64::from_be_bytes(bytes))).filter(|own| !own.is_zero());
    if let Some(idle) = own(*idle) {
        limits = limits.with_idle(idle).map_err(|_| Malformed)?;
    }
    if let Some(absolute) = own(absolute) {
        limits = limits.with_absolute(absolute).map_err(|_| Malformed)?;
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_limit() -> impl Strategy<Value = Option<u64>> {
        prop_oneof![
            Just(None),
            Just(Some(u64::MAX)),
            (1..u64::MAX).prop_map(Some)
        ]
    }

    fn any_timestamp() -> impl Strategy<Value = Timestamp> {
        prop_oneof![
            Just(Timestamp::MAX),
            any::<u64>().prop_map(|millis| Timestamp::from_unix_millis(millis >> 16)),
        ]
    }

    prop_compose! {
        fn any_activity()(
            created_at in any_timestamp(),
            last_activity in any_timestamp(),
            idle in any_limit(),
            absolute in any_limit(),
            replaced_at in prop::option::of(any_timestamp()),
            next_id: Option<[u8; 16]>,
            revoked: bool,
        ) -> Activity {
            let mut limits = Limits::default();
            if let Some(idle) = idle {
                limits = limits.with_idle(Duration::from_millis(idle)).unwrap();
            }
            if let Some(absolute) = absolute {
                limits = limits.with_absolute(Duration::from_millis(absolute)).unwrap();
            }
            let activity = Activity::began(created_at)
                .active_at(last_activity)
                .with_limits(limits)
                .with_next_id(next_id.map(SessionKey::from_bytes));
            let activity = replaced_at.map_or(activity, |at| activity.replaced(at));
            if revoked { activity.revoked() } else { activity }
        }
    }

    proptest! {
        #[test]
        fn a_record_is_unpacked_as_it_was_packed(activity in any_activity(), keep_until in any_timestamp()) {
            let record = pack(&activity, keep_until);
            let lengths = [PLAIN, LIMITED, PLAIN + IDS, LIMITED + IDS];
            prop_assert!(lengths.contains(&record.len()));
            prop_assert_eq!(super::keep_until(&record), keep_until);
            prop_assert_eq!(unpack(&record), Ok(activity));
        }

        #[test]
        fn whatever_is_not_as_it_would_be_packed_is_refused(record in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(activity) = unpack(&record) {
                let (keep_until, _) = timestamp(&record[14..]).unwrap();
                prop_assert_eq!(pack(&activity, keep_until), record);
            }
        }

        #[test]
        fn a_record_with_a_byte_more_or_less_is_refused(activity in any_activity(), cut in 0..LIMITED) {
            let activity = Activity::began(activity.created_at())
                .active_at(activity.last_activity())
                .with_limits(activity.limits());
            let mut record = pack(&activity, Timestamp::MAX);
            record.push(0);
            prop_assert_eq!(unpack(&record), Err(Malformed));
            record.truncate(cut);
            if cut != PLAIN || activity.limits() == Limits::default() {
                let whole = cut >= PLAIN && pack(&activity, Timestamp::MAX).len() == cut;
                prop_assert_eq!(unpack(&record).is_ok(), whole);
            }
        }
    }

    #[test]
    fn a_record_is_written_like_this() {
        let at = |millis| Timestamp::from_unix_millis(millis);
        let activity = Activity::began(at(1)).active_at(at(2));
        let packed = pack(&activity.revoked(), at(0x010203040506));
        assert_eq!(
            packed,
            b"1R\0\0\0\0\0\x01\0\0\0\0\0\x02\x01\x02\x03\x04\x05\x06"
        );
    }

    #[test]
    fn other_versions_and_impossible_times_are_refused() {
        let at = Timestamp::from_unix_millis(1_700_000_000_000);
        let good = pack(&Activity::began(at), at);
        for (place, byte) in [
            (0, b'2'),
            (0, 1),
            (1, b'X'),
            (1, 0),
            (2, 0xff),
            (8, 0),
            (14, 0xff),
        ] {
            let mut bad = good.clone();
            bad[place] = byte;
            assert_eq!(unpack(&bad), Err(Malformed), "byte {place} is {byte}");
        }
    }

    #[test]
    fn a_refusal_is_told_from_a_record() {
        let text = |text: &str| Value::BulkString(text.into());
        let split = |error| {
            let answer = Value::Array(vec![text("record"), text(error)]);
            let (record, refusal) = split_refusal(&answer);
            assert_eq!(record, &text("record"));
            refusal.unwrap()
        };
        for error in [
            "OOM command not allowed",
            "@user_script: 5: -OOM command not allowed",
        ] {
            assert_eq!(split(error).code(), Some("OOM"));
            assert_eq!(split(error).detail(), Some("command not allowed"));
        }
        let replica = ErrorKind::Server(redis::ServerErrorKind::ReadOnly);
        assert_eq!(split("READONLY it is\r\na replica").kind(), replica);
        assert!(split_refusal(&text("record")).1.is_none());
        assert!(split_refusal(&Value::Nil).1.is_none());
    }

    #[test]
    fn keys_are_written_in_base_64() {
        let text = |bytes| name("", SessionKey::from_bytes(bytes));
        assert_eq!(text([0; 16]), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(text([0xff; 16]), "D_____________________");
        let mut one = [0; 16];
        one[15] = 1;
        assert_eq!(text(one), "AAAAAAAAAAAAAAAAAAAAAB");
        assert_eq!(
            name("a:", SessionKey::from_bytes(one)),
            "a:AAAAAAAAAAAAAAAAAAAAAB"
        );
    }
}
