//! The row of a session: its columns, and its conversion to and from [`Activity`].

use std::time::Duration;

use super::error::SqlError;
use super::value::Value;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::policy_error::PolicyError;
use crate::session::time::{Timestamp, whole_millis};

/// The columns. Every statement names them in this order.
pub(super) const COLUMNS: &str = "id, created_at, last_activity, idle_limit, absolute_limit, revoked, keep_until, \
     replaced_at, next_id";

/// A row as the database returned it, not yet validated.
///
/// It is public because a trait that bounds a public type names it. Other crates cannot name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(super) id: Vec<u8>,
    pub(super) created_at: i64,
    pub(super) last_activity: i64,
    pub(super) idle_limit: Option<i64>,
    pub(super) absolute_limit: Option<i64>,
    pub(super) revoked: bool,
    pub(super) keep_until: i64,
    pub(super) replaced_at: Option<i64>,
    /// The next id of the session, or no bytes.
    pub(super) next_id: Vec<u8>,
}

impl Row {
    pub(super) fn key(&self) -> Result<SessionKey, SqlError> {
        let id = self.id.as_slice().try_into();
        id.map(SessionKey::from_bytes)
            .map_err(|_| SqlError::malformed("`id` is not 16 bytes long"))
    }

    pub(super) fn activity(&self) -> Result<Activity, SqlError> {
        let created_at = timestamp(self.created_at, "`created_at` is not a time")?;
        let last_activity = timestamp(self.last_activity, "`last_activity` is not a time")?;
        if last_activity < created_at {
            return Err(SqlError::malformed(
                "`last_activity` is before `created_at`",
            ));
        }
        let mut limits = Limits::default();
        if let Some(idle) = self.idle_limit {
            limits = limited(idle, "`idle_limit` is not positive", |idle| {
                limits.with_idle(idle)
            })?;
        }
        if let Some(absolute) = self.absolute_limit {
            limits = limited(absolute, "`absolute_limit` is not positive", |absolute| {
                limits.with_absolute(absolute)
            })?;
        }
        let mut activity = Activity::began(created_at)
            .active_at(last_activity)
            .with_limits(limits);
        if let Some(at) = self.replaced_at {
            activity = activity.replaced(timestamp(at, "`replaced_at` is not a time")?);
        }
        if !self.next_id.is_empty() {
            let next_id = self.next_id.as_slice().try_into();
            let next_id =
                next_id.map_err(|_| SqlError::malformed("`next_id` is not 16 bytes long"))?;
            activity = activity.with_next_id(Some(SessionKey::from_bytes(next_id)));
        }
        Ok(if self.revoked {
            activity.revoked()
        } else {
            activity
        })
    }
}

/// Returns the values of a new row, in the order of [`COLUMNS`].
pub(super) fn values(key: SessionKey, activity: &Activity, keep_until: Timestamp) -> Vec<Value> {
    vec![
        Value::key(key),
        Value::Number(millis(activity.created_at())),
        Value::Number(millis(activity.last_activity())),
        Value::OptionalNumber(activity.limits().idle().map(limit)),
        Value::OptionalNumber(activity.limits().absolute().map(limit)),
        Value::Flag(activity.is_revoked()),
        Value::Number(millis(keep_until)),
        Value::OptionalNumber(activity.replaced_at().map(millis)),
        next_id(activity),
    ]
}

/// Returns the values of a change, in the order of the statement `change`.
pub(super) fn changed(
    key: SessionKey,
    before: &Activity,
    after: &Activity,
    keep_until: Timestamp,
) -> Vec<Value> {
    let [idle, absolute, replaced_at, next] = changeable(after);
    let keep_until = Value::Number(millis(keep_until));
    let created_at = Value::Number(millis(before.created_at()));
    let new = [idle, absolute, replaced_at, next, keep_until];
    let id = [Value::key(key), created_at];
    new.into_iter()
        .chain(id)
        .chain(changeable(before))
        .collect()
}

/// Returns the values of the columns that a change writes.
fn changeable(activity: &Activity) -> [Value; 4] {
    [
        Value::OptionalNumber(activity.limits().idle().map(limit)),
        Value::OptionalNumber(activity.limits().absolute().map(limit)),
        Value::OptionalNumber(activity.replaced_at().map(millis)),
        next_id(activity),
    ]
}

fn next_id(activity: &Activity) -> Value {
    activity
        .next_id()
        .map_or(Value::Bytes(Vec::new()), Value::key)
}

/// Converts a time to milliseconds. A [`Timestamp`] fits in 48 bits.
pub(super) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_unix_millis()).unwrap_or(i64::MAX)
}

/// Converts a limit to milliseconds. A limit that does not fit is longer than 292 million years, so
/// it is stored as the largest number, which stands for "no limit".
pub(super) fn limit(limit: Duration) -> i64 {
    i64::try_from(whole_millis(limit)).unwrap_or(i64::MAX)
}

fn timestamp(millis: i64, what: &'static str) -> Result<Timestamp, SqlError> {
    u64::try_from(millis)
        .ok()
        .filter(|millis| *millis <= Timestamp::MAX.as_unix_millis())
        .map(Timestamp::from_unix_millis)
        .ok_or(SqlError::malformed(what))
}

fn limited(
    millis: i64,
    what: &'static str,
    with: impl FnOnce(Duration) -> Result<Limits, PolicyError>,
) -> Result<Limits, SqlError> {
    let limit = match u64::try_from(millis) {
        Ok(millis) if millis == i64::MAX as u64 => Duration::MAX,
        Ok(millis) => Duration::from_millis(millis),
        Err(_) => return Err(SqlError::malformed(what)),
    };
    with(limit).map_err(|_| SqlError::malformed(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: Vec<Value>) -> Row {
        let number = |value: &Value| match value {
            Value::Number(number) => *number,
            other => panic!("{other:?}"),
        };
        let optional = |value: &Value| match value {
            Value::OptionalNumber(number) => *number,
            other => panic!("{other:?}"),
        };
        let [
            Value::Bytes(id),
            created_at,
            last_activity,
            idle,
            absolute,
            Value::Flag(revoked),
            keep,
            replaced_at,
            Value::Bytes(next_id),
        ] = &values[..]
        else {
            panic!("{values:?}")
        };
        Row {
            id: id.clone(),
            created_at: number(created_at),
            last_activity: number(last_activity),
            idle_limit: optional(idle),
            absolute_limit: optional(absolute),
            revoked: *revoked,
            keep_until: number(keep),
            replaced_at: optional(replaced_at),
            next_id: next_id.clone(),
        }
    }

    fn good() -> Row {
        let activity = Activity::began(Timestamp::from_unix_millis(1_700_000_000_000));
        row(values(SessionKey::of("a"), &activity, Timestamp::MAX))
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let began = Timestamp::from_unix_millis(1_700_000_000_000);
        let own = |idle, absolute| {
            let limits = Limits::default().with_idle(idle).unwrap();
            limits.with_absolute(absolute).unwrap()
        };
        for activity in [
            Activity::began(Timestamp::UNIX_EPOCH),
            Activity::began(began).active_at(Timestamp::MAX),
            Activity::began(began).revoked(),
            Activity::began(began).replaced(began),
            Activity::began(began).with_next_id(Some(SessionKey::of("b"))),
            Activity::began(began).with_limits(own(Duration::from_millis(1), Duration::MAX)),
            Activity::began(began).with_limits(own(Duration::MAX, Duration::from_secs(1))),
        ] {
            let row = row(values(SessionKey::of("a"), &activity, began));
            assert_eq!(row.activity().unwrap(), activity);
            assert_eq!(row.key().unwrap(), SessionKey::of("a"));
        }
    }

    #[test]
    fn malformed_rows_are_errors() {
        let beyond = millis(Timestamp::MAX) + 1;
        let malformed: [fn(&mut Row, i64); 11] = [
            |row, _| row.created_at = -1,
            |row, _| row.last_activity = -1,
            |row, beyond| row.created_at = beyond,
            |row, beyond| row.last_activity = beyond,
            |row, _| row.last_activity = row.created_at - 1,
            |row, _| row.idle_limit = Some(0),
            |row, _| row.idle_limit = Some(-1),
            |row, _| row.absolute_limit = Some(0),
            |row, _| row.absolute_limit = Some(i64::MIN),
            |row, _| row.replaced_at = Some(-1),
            |row, _| row.next_id = vec![0; 15],
        ];
        for (number, spoil) in malformed.into_iter().enumerate() {
            let mut row = good();
            spoil(&mut row, beyond);
            let error = row.activity().unwrap_err();
            assert!(error.to_string().contains("malformed"), "{number}: {error}");
        }
        let short = Row {
            id: vec![0; 15],
            ..good()
        };
        assert!(short.key().is_err());
    }
}
