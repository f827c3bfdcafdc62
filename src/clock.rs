//! Clocks: the system's, and one that tests move by hand.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::session::time::Timestamp;

/// Tells the time.
///
/// The layer asks the clock when a request arrives, and again when its response is ready if the
/// service had to wait. Nothing else in this crate asks for the time of day, so a test that holds a
/// [`ManualClock`] decides when sessions expire.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{Clock, ManualClock, Timestamp};
///
/// /// A clock that is ahead of another one.
/// struct Ahead<C>(C, Duration);
///
/// impl<C: Clock> Clock for Ahead<C> {
///     fn now(&self) -> Timestamp {
///         self.0.now().saturating_add(self.1)
///     }
/// }
///
/// let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
/// let ahead = Ahead(clock, Duration::from_millis(5));
/// assert_eq!(ahead.now(), Timestamp::from_unix_millis(5));
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the time now.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// Tells the operating system's time. This is the default.
///
/// A system clock that is set before 1970 reads as 1970.
///
/// ```
/// use tower_login_timeout::{Clock, SystemClock, Timestamp};
///
/// assert!(SystemClock.now() > Timestamp::UNIX_EPOCH);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        // Rounds down: a moment that has not come yet must not be reported.
        let millis = since_epoch.as_secs().saturating_mul(1_000);
        Timestamp::from_unix_millis(millis.saturating_add(u64::from(since_epoch.subsec_millis())))
    }
}

/// Tells the time that a test sets. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let start = clock.now();
/// clock.clone().advance(Duration::from_secs(60));
/// assert_eq!(clock.now().saturating_duration_since(start), Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Creates a clock that stands at 2023-11-14T22:13:20Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp::from_unix_millis(1_700_000_000_000))
    }

    /// Creates a clock that stands at this moment.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_unix_millis())))
    }

    /// Moves the clock forward, at most to [`Timestamp::MAX`].
    pub fn advance(&self, by: Duration) {
        let later = |now| {
            Some(
                Timestamp::from_unix_millis(now)
                    .saturating_add(by)
                    .as_unix_millis(),
            )
        };
        // `later` always returns a time, so this cannot fail.
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }

    /// Sets the clock, forward or backward.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_unix_millis(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}
