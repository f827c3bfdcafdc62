//! The record of one session.

use crate::session::limits::Limits;
use crate::session::time::Timestamp;

/// The record of one session: when it began, when it was last active, its own limits, and whether it was revoked.
///
/// Stores keep it, [`Policy::decide`](crate::Policy::decide) judges it.
///
/// ```
/// use tower_login_timeout::{Activity, Timestamp};
///
/// let began = Timestamp::from_unix_millis(1_700_000_000_000);
/// let activity = Activity::began(began);
/// assert_eq!(activity.last_activity(), began);
/// assert!(!activity.is_revoked());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    created_at: Timestamp,
    last_activity: Timestamp,
    limits: Limits,
    revoked: bool,
}

impl Activity {
    /// A session that begins at this moment, with the policy's limits.
    #[must_use]
    pub const fn began(at: Timestamp) -> Self {
        Self {
            created_at: at,
            last_activity: at,
            limits: Limits::UNSET,
            revoked: false,
        }
    }

    /// The same session, last active at this moment. It never moves backwards.
    #[must_use]
    pub fn active_at(self, at: Timestamp) -> Self {
        Self {
            last_activity: self.last_activity.max(at),
            ..self
        }
    }

    /// The same session under limits of its own.
    #[must_use]
    pub const fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same session, ended on purpose. There is no way back.
    #[must_use]
    pub const fn revoked(self) -> Self {
        Self {
            revoked: true,
            ..self
        }
    }

    /// When the session began: what the absolute timeout counts from.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When the session was last active: what the idle timeout counts from.
    #[must_use]
    pub const fn last_activity(&self) -> Timestamp {
        self.last_activity
    }

    /// The session's own limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether the session was ended on purpose.
    #[must_use]
    pub const fn is_revoked(&self) -> bool {
        self.revoked
    }
}
