//! Limits of one session, where they differ from the policy's.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::session::policy_error::PolicyError;
use crate::session::time::{Millis, whole_millis};

/// The timeouts of one session, where they differ from the policy's.
///
/// They are longer for "remember me", and shorter for an administrator.
///
/// Give them to [`SessionHandle::start_with`](crate::SessionHandle::start_with), or put them in the
/// extensions of the response whose `Set-Cookie` begins the session. Beside the `Set-Cookie` of a
/// live session they change its limits, and its absolute clock runs on. What is not set is the
/// policy's. [`Duration::MAX`] stands for "no limit".
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::Limits;
///
/// let administrator = Limits::default().with_idle(Duration::from_secs(5 * 60))?;
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
    /// No limits of its own: both are the policy's. A constant form of [`Limits::default`].
    pub(crate) const UNSET: Self = Self {
        idle: None,
        absolute: None,
    };

    /// Sets the session's own idle timeout, rounded up to a millisecond.
    ///
    /// A session whose own idle timeout is shorter than twice the policy's `touch_every` is touched
    /// more often than others, so that activity always keeps it alive.
    ///
    /// # Errors
    ///
    /// Refuses zero, since every request would come too late.
    pub fn with_idle(self, idle: Duration) -> Result<Self, PolicyError> {
        let idle = Some(NonZeroU64::new(whole_millis(idle)).ok_or(PolicyError::zero("idle"))?);
        Ok(Self { idle, ..self })
    }

    /// Sets the session's own absolute timeout, rounded up to a millisecond.
    ///
    /// # Errors
    ///
    /// Refuses zero, since every request would come too late.
    pub fn with_absolute(self, absolute: Duration) -> Result<Self, PolicyError> {
        let absolute =
            Some(NonZeroU64::new(whole_millis(absolute)).ok_or(PolicyError::zero("absolute"))?);
        Ok(Self { absolute, ..self })
    }

    /// Returns the session's own idle timeout, if it has one.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        self.idle.map(duration)
    }

    /// Returns the session's own absolute timeout, if it has one.
    #[must_use]
    pub fn absolute(&self) -> Option<Duration> {
        self.absolute.map(duration)
    }
}

impl Limits {
    pub(super) fn idle_millis(&self) -> Option<Millis> {
        self.idle.map(|idle| Millis::new(idle.get()))
    }

    pub(super) fn absolute_millis(&self) -> Option<Millis> {
        self.absolute.map(|absolute| Millis::new(absolute.get()))
    }
}

fn duration(millis: NonZeroU64) -> Duration {
    match millis {
        NonZeroU64::MAX => Duration::MAX,
        millis => Duration::from_millis(millis.get()),
    }
}
