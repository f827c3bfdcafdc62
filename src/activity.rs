//! What is remembered of one session?

use std::num::NonZeroU64;
use std::time::Duration;

use crate::clock::{Timestamp, whole_millis};
use crate::policy::PolicyError;

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
            limits: Limits::of_policy(),
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

/// One session's own timeouts, where they differ from the policy's: longer for "remember me", shorter for an administrator.
///
/// Give them to [`SessionHandle::start_with`](crate::SessionHandle::start_with), or put them in the extensions of the
/// response whose `Set-Cookie` begins the session. What is not set is the policy's. [`Duration::MAX`] stands for "no limit".
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::Limits;
///
/// let administrator = Limits::of_policy().with_idle(Duration::from_secs(5 * 60))?;
/// assert_eq!(administrator.idle(), Some(Duration::from_secs(300)));
/// assert_eq!(administrator.absolute(), None);
/// # Ok::<(), tower_login_timeout::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limits {
    idle: Option<NonZeroU64>,
    absolute: Option<NonZeroU64>,
}

impl Limits {
    /// Nothing of its own: both limits are the policy's.
    #[must_use]
    pub const fn of_policy() -> Self {
        Self {
            idle: None,
            absolute: None,
        }
    }

    /// Its own idle timeout, rounded up to a millisecond.
    ///
    /// A session whose own idle timeout is shorter than twice the policy's `touch_every` is touched more often than others, so
    /// that activity always keeps it alive.
    ///
    /// # Errors
    ///
    /// Zero is refused: every request would come too late.
    pub fn with_idle(self, idle: Duration) -> Result<Self, PolicyError> {
        let idle = Some(NonZeroU64::new(whole_millis(idle)).ok_or(PolicyError::zero("idle"))?);
        Ok(Self { idle, ..self })
    }

    /// Its own absolute timeout, rounded up to a millisecond.
    ///
    /// # Errors
    ///
    /// Zero is refused: every request would come too late.
    pub fn with_absolute(self, absolute: Duration) -> Result<Self, PolicyError> {
        let absolute =
            Some(NonZeroU64::new(whole_millis(absolute)).ok_or(PolicyError::zero("absolute"))?);
        Ok(Self { absolute, ..self })
    }

    /// The session's own idle timeout, if it has one.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        self.idle.map(duration)
    }

    /// The session's own absolute timeout, if it has one.
    #[must_use]
    pub fn absolute(&self) -> Option<Duration> {
        self.absolute.map(duration)
    }
}

fn duration(millis: NonZeroU64) -> Duration {
    match millis {
        NonZeroU64::MAX => Duration::MAX,
        millis => Duration::from_millis(millis.get()),
    }
}
