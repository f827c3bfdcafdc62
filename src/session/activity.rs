//! The record of one session id.

use std::num::NonZeroU64;

use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::time::Timestamp;

/// The record of one session id: when its session began, when it was last active, its own limits,
/// and whether and how it ended.
///
/// Stores keep it. [`Policy::decide`](crate::Policy::decide) judges it.
///
/// ```
/// use tower_login_timeout::{Activity, Timestamp};
///
/// let began = Timestamp::from_unix_millis(1_700_000_000_000);
/// let activity = Activity::began(began);
/// assert_eq!(activity.last_activity(), began);
/// assert!(!activity.is_revoked());
/// ```
///
/// # One session under several ids
///
/// An application may give a live session a new id. Then the record of the old id says since when
/// it is [replaced](Activity::replaced_at), and the records of all ids of the session form a ring:
/// each names the [next](Activity::next_id) one, and the last one names the first. So a log-out
/// under one id finds the others. An id that never took part in a rotation names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    created_at: Timestamp,
    last_activity: Timestamp,
    limits: Limits,
    /// In milliseconds, plus one: so the option needs no room of its own.
    replaced_at: Option<NonZeroU64>,
    next_id: Option<SessionKey>,
    revoked: bool,
}

impl Activity {
    /// Creates the record of a session that begins at this moment, with the policy's limits.
    #[must_use]
    pub const fn began(at: Timestamp) -> Self {
        Self {
            created_at: at,
            last_activity: at,
            limits: Limits::UNSET,
            replaced_at: None,
            next_id: None,
            revoked: false,
        }
    }

    /// Moves last activity to this moment, never backwards.
    #[must_use]
    pub fn active_at(self, at: Timestamp) -> Self {
        Self {
            last_activity: self.last_activity.max(at),
            ..self
        }
    }

    /// Sets the session's own limits.
    #[must_use]
    pub const fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the moment at which another id took this one's place. An earlier moment that is set
    /// already stays.
    #[must_use]
    pub fn replaced(self, at: Timestamp) -> Self {
        let at = NonZeroU64::MIN.saturating_add(at.as_unix_millis());
        Self {
            replaced_at: Some(self.replaced_at.map_or(at, |earlier| earlier.min(at))),
            ..self
        }
    }

    /// Sets the next id in the ring of this session's ids.
    #[must_use]
    pub const fn with_next_id(self, next_id: Option<SessionKey>) -> Self {
        Self { next_id, ..self }
    }

    /// Marks the session as ended on purpose. There is no way back.
    #[must_use]
    pub const fn revoked(self) -> Self {
        Self {
            revoked: true,
            ..self
        }
    }

    /// Returns when the session began, which the absolute timeout counts from.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Returns when the session was last active, which the idle timeout counts from.
    #[must_use]
    pub const fn last_activity(&self) -> Timestamp {
        self.last_activity
    }

    /// Returns the session's own limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns when another id took this one's place, if one did.
    #[must_use]
    pub fn replaced_at(&self) -> Option<Timestamp> {
        let at = self.replaced_at?;
        Some(Timestamp::from_unix_millis(at.get() - 1))
    }

    /// Returns the next id in the ring of this session's ids, if it has more than one.
    #[must_use]
    pub const fn next_id(&self) -> Option<SessionKey> {
        self.next_id
    }

    /// Returns whether the session was ended on purpose.
    #[must_use]
    pub const fn is_revoked(&self) -> bool {
        self.revoked
    }
}
