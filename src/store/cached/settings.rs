//! The settings of a near cache, and the error of settings that do not fit together.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// How long the shared store may take for one batch of a background flush. No request waits for it.
pub(super) const BATCH_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) max_staleness: Duration,
    pub(super) max_age: Duration,
    pub(super) max_stale_on_error: Duration,
    pub(super) shared_timeout: Duration,
    pub(super) flush_every: Duration,
    pub(super) capacity: usize,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        max_staleness: Duration::from_secs(5),
        max_age: Duration::from_secs(60),
        max_stale_on_error: Duration::from_secs(30),
        shared_timeout: Duration::from_millis(250),
        flush_every: Duration::from_secs(1),
        capacity: 100_000,
    };

    /// Returns the age at which an entry that is used is checked in the background, so that no
    /// request waits when it reaches `max_age`.
    pub(super) fn check_after(&self) -> Duration {
        self.max_age / 5 * 4
    }

    /// Returns the age up to which an entry may be served under any circumstances.
    pub(super) fn longest_age(&self) -> Duration {
        self.max_age.saturating_add(self.max_stale_on_error)
    }

    /// Returns the settings, unless one is zero or two contradict each other.
    pub(super) fn checked(self) -> Result<Self, CachedStoreError> {
        let never_zero = [
            ("max_staleness", self.max_staleness),
            ("max_age", self.max_age),
            ("max_stale_on_error", self.max_stale_on_error),
            ("shared_timeout", self.shared_timeout),
            ("flush_every", self.flush_every),
        ];
        for (setting, value) in never_zero {
            if value.is_zero() {
                return Err(CachedStoreError(ErrorKind::Zero(setting)));
            }
        }
        if self.capacity == 0 {
            return Err(CachedStoreError(ErrorKind::Zero("capacity")));
        }
        if self.max_stale_on_error < self.max_staleness {
            return Err(CachedStoreError(ErrorKind::ErrorsTooEarly(self)));
        }
        Ok(self)
    }
}

/// Says which setting of a [`CachedStore`](crate::CachedStore) cannot be used, and what to do.
#[derive(Clone, Debug)]
pub struct CachedStoreError(ErrorKind);

#[derive(Clone, Debug)]
enum ErrorKind {
    Zero(&'static str),
    ErrorsTooEarly(Settings),
}

impl fmt::Display for CachedStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ErrorKind::Zero(setting) => write!(
                f,
                "`{setting}` is zero, so nothing could be answered from memory: use more than \
                 zero, or use the shared store without a cache"
            ),
            ErrorKind::ErrorsTooEarly(settings) => write!(
                f,
                "`max_stale_on_error` ({:?}) is shorter than `max_staleness` ({:?}), so an answer \
                 would be used for longer while the shared store answers than while it fails: \
                 make it at least as long",
                settings.max_stale_on_error, settings.max_staleness
            ),
        }
    }
}

impl Error for CachedStoreError {}
