//! What time is it?

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Every calculation saturates: a timestamp never wraps, whatever the clock or a duration says. The latest
/// one is [`Timestamp::MAX`].
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::Timestamp;
///
/// let noon = Timestamp::from_unix_millis(1_700_000_000_000);
/// let later = noon.saturating_add(Duration::from_secs(90));
/// assert_eq!(later.saturating_duration_since(noon), Duration::from_secs(90));
/// assert_eq!(noon.saturating_duration_since(later), Duration::ZERO);
/// assert_eq!(noon.saturating_add(Duration::MAX), Timestamp::MAX);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);

    /// 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write. It fits in 48 bits.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The moment so many milliseconds after 1970-01-01T00:00:00Z, or [`Timestamp::MAX`] if that is earlier.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_unix_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, rounded up to a millisecond, or [`Timestamp::MAX`] if that is earlier.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self::from_unix_millis(self.0.saturating_add(whole_millis(duration)))
    }

    /// The moment `duration` earlier, or the epoch if that is later.
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(duration)))
    }

    /// How long ago `earlier` was: zero if it lies in the future.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The duration in milliseconds, rounded up so that no wait ends early, capped at `u64::MAX`.
pub(crate) const fn whole_millis(duration: Duration) -> u64 {
    // Not by `as_nanos`: a division of 128 bits takes as long as all else that is done with a timestamp.
    let millis = duration.subsec_nanos().div_ceil(1_000_000);
    duration
        .as_secs()
        .saturating_mul(1_000)
        .saturating_add(millis as u64)
}

/// Where the time comes from.
///
/// The layer reads it once when a request arrives and once when its response is ready. Nothing else in this crate asks for the
/// time, so a test that holds a [`ManualClock`] decides when sessions expire.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The operating system's clock, the default.
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
        // A clock set before 1970 gives the epoch.
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        // Down, unlike durations: a moment that has not come yet must not be reported.
        let millis = since_epoch.as_secs().saturating_mul(1_000);
        Timestamp::from_unix_millis(millis.saturating_add(u64::from(since_epoch.subsec_millis())))
    }
}

/// A clock that moves when it is told to, for tests. Clones show the same time.
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
    /// A clock that stands at 2023-11-14T22:13:20Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp::from_unix_millis(1_700_000_000_000))
    }

    /// A clock that stands at this moment.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_unix_millis())))
    }

    /// Moves the clock forward, at most to [`Timestamp::MAX`].
    pub fn advance(&self, by: Duration) {
        let later = |now| Some(Timestamp(now).saturating_add(by).0);
        // It always has a later time, so this cannot fail.
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }

    /// Sets the clock, backwards too.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_unix_millis(u64::MAX), Timestamp::MAX);
        assert_eq!(
            Timestamp::UNIX_EPOCH.saturating_sub(Duration::MAX),
            Timestamp::UNIX_EPOCH
        );
    }

    #[test]
    fn durations_round_up_to_a_millisecond() {
        assert_eq!(whole_millis(Duration::ZERO), 0);
        assert_eq!(whole_millis(Duration::from_nanos(1)), 1);
        assert_eq!(whole_millis(Duration::from_micros(1_001)), 2);
        assert_eq!(whole_millis(Duration::new(1, 999_000_001)), 2_000);
        let most = Duration::from_millis(u64::MAX);
        assert_eq!(whole_millis(most), u64::MAX);
        assert_eq!(whole_millis(most - Duration::from_millis(1)), u64::MAX - 1);
        assert_eq!(whole_millis(Duration::MAX), u64::MAX);
    }
}
