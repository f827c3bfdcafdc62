//! Moments in time.

use std::time::Duration;

/// A moment in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Every calculation saturates: a timestamp never wraps, whatever the clock or a duration says. The
/// latest one is [`Timestamp::MAX`].
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

    /// Creates the moment so many milliseconds after 1970-01-01T00:00:00Z, or [`Timestamp::MAX`] if
    /// that is earlier.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_unix_millis(self) -> u64 {
        self.0
    }

    /// Returns the moment `duration` later, rounded up to a millisecond, or [`Timestamp::MAX`] if
    /// that is earlier.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self::from_unix_millis(self.0.saturating_add(whole_millis(duration)))
    }

    /// Returns the moment `duration` earlier, or the epoch if that is later.
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(duration)))
    }

    /// Returns how long ago `earlier` was: zero if it lies in the future.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A length of time in whole milliseconds, which is cheaper to compare than a [`Duration`]. The
/// longest one is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Millis(u64);

impl Millis {
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// Rounds a duration up, so that no wait ends early.
    pub(crate) const fn of(duration: Duration) -> Self {
        Self(whole_millis(duration))
    }

    /// Returns the time between two moments, or zero if the first one is the later one.
    #[inline]
    pub(crate) const fn between(earlier: Timestamp, later: Timestamp) -> Self {
        Self(later.0.saturating_sub(earlier.0))
    }

    pub(crate) const fn duration(self) -> Duration {
        match self.0 {
            u64::MAX => Duration::MAX,
            millis => Duration::from_millis(millis),
        }
    }

    pub(crate) const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Rounds up, as every conversion of a wait does.
    pub(crate) const fn halved(self) -> Self {
        Self(self.0.div_ceil(2))
    }

    /// Returns what is left after this much has passed, if anything. No limit stays no limit.
    #[inline]
    pub(crate) const fn left_after(self, passed: Self) -> Option<Self> {
        if self.0 == u64::MAX {
            Some(self)
        } else if passed.0 < self.0 {
            Some(Self(self.0 - passed.0))
        } else {
            None
        }
    }

    /// Returns the moment this much later, at most [`Timestamp::MAX`].
    pub(crate) const fn after(self, start: Timestamp) -> Timestamp {
        Timestamp::from_unix_millis(start.0.saturating_add(self.0))
    }

    /// Returns the moment this much earlier, at least the epoch.
    pub(crate) const fn before(self, end: Timestamp) -> Timestamp {
        Timestamp(end.0.saturating_sub(self.0))
    }
}

/// More time than any limit that somebody sets: the years that a timestamp has.
pub(crate) const NO_LIMIT: Duration = Duration::from_millis(Timestamp::MAX.as_unix_millis());

/// The duration in milliseconds, rounded up so that no wait ends early, capped at `u64::MAX`.
pub(crate) const fn whole_millis(duration: Duration) -> u64 {
    // Not by `as_nanos`: a division of 128 bits takes as long as all else that is done with a
    // timestamp.
    let millis = duration.subsec_nanos().div_ceil(1_000_000);
    duration
        .as_secs()
        .saturating_mul(1_000)
        .saturating_add(millis as u64)
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
