//! How is a near cache configured?

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::store::cached::cached_store::CachedStore;
use crate::store::shared_store::SharedStore;

/// Builds a [`CachedStore`]. Settings are checked together, by [`build`](CachedStoreBuilder::build).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct CachedStoreBuilder<R> {
    shared: R,
    settings: Settings,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) refresh_after: Duration,
    pub(super) max_staleness: Duration,
    pub(super) max_stale_on_error: Duration,
    pub(super) shared_timeout: Duration,
    pub(super) flush_every: Duration,
    pub(super) capacity: usize,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        refresh_after: Duration::from_secs(1),
        max_staleness: Duration::from_secs(5),
        max_stale_on_error: Duration::from_secs(30),
        shared_timeout: Duration::from_millis(250),
        flush_every: Duration::from_secs(1),
        capacity: 100_000,
    };
}

impl<R: SharedStore> CachedStoreBuilder<R> {
    pub(super) const fn new(shared: R) -> Self {
        Self {
            shared,
            settings: Settings::DEFAULT,
        }
    }

    /// How old an answer of the shared store may be before it is checked in the background. One second unless set.
    pub fn with_refresh_after(mut self, refresh_after: Duration) -> Self {
        self.settings.refresh_after = refresh_after;
        self
    }

    /// How old an answer of the shared store may be that is given to a request: within this time a revocation is seen
    /// everywhere, pushed or not. Five seconds unless set.
    pub fn with_max_staleness(mut self, max_staleness: Duration) -> Self {
        self.settings.max_staleness = max_staleness;
        self
    }

    /// How old an answer may be that is given while the shared store fails. Thirty seconds unless set; as long as
    /// `max_staleness` for none at all.
    pub fn with_max_stale_on_error(mut self, max_stale_on_error: Duration) -> Self {
        self.settings.max_stale_on_error = max_stale_on_error;
        self
    }

    /// How long the shared store may take to answer before it counts as failing: a quarter of a second unless set.
    ///
    /// Keep it well below [`Policy::store_timeout`](crate::Policy::store_timeout), which ends the request's patience.
    pub fn with_shared_timeout(mut self, shared_timeout: Duration) -> Self {
        self.settings.shared_timeout = shared_timeout;
        self
    }

    /// How long activity is gathered before it is written: what a crash may lose. One second unless set.
    pub fn with_flush_every(mut self, flush_every: Duration) -> Self {
        self.settings.flush_every = flush_every;
        self
    }

    /// For how many sessions answers are kept: 100 000 unless set, at about 150 bytes each, and 200 more while there
    /// is activity to be written.
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.settings.capacity = capacity;
        self
    }

    /// The store.
    ///
    /// # Errors
    ///
    /// Refuses zero for any setting, a `refresh_after` that is not shorter than `max_staleness`, and a
    /// `max_stale_on_error` that is.
    pub fn build(self) -> Result<CachedStore<R>, CachedStoreError> {
        let settings = self.settings;
        let never_zero = [
            ("refresh_after", settings.refresh_after),
            ("max_staleness", settings.max_staleness),
            ("max_stale_on_error", settings.max_stale_on_error),
            ("shared_timeout", settings.shared_timeout),
            ("flush_every", settings.flush_every),
        ];
        for (setting, value) in never_zero {
            if value.is_zero() {
                return Err(CachedStoreError(Refusal::Zero(setting)));
            }
        }
        if settings.capacity == 0 {
            return Err(CachedStoreError(Refusal::Zero("capacity")));
        }
        if settings.refresh_after >= settings.max_staleness {
            return Err(CachedStoreError(Refusal::RefreshedTooLate(settings)));
        }
        if settings.max_stale_on_error < settings.max_staleness {
            return Err(CachedStoreError(Refusal::ErrorsTooEarly(settings)));
        }
        Ok(CachedStore::with(self.shared, settings))
    }
}

/// A setting of a [`CachedStore`] that cannot be meant.
#[derive(Clone, Debug)]
pub struct CachedStoreError(Refusal);

#[derive(Clone, Debug)]
enum Refusal {
    Zero(&'static str),
    RefreshedTooLate(Settings),
    ErrorsTooEarly(Settings),
}

impl fmt::Display for CachedStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Refusal::Zero(setting) => write!(
                f,
                "`{setting}` is zero, so nothing could be answered from memory: use more, or the shared store without a cache"
            ),
            Refusal::RefreshedTooLate(settings) => write!(
                f,
                "`refresh_after` ({:?}) is not shorter than `max_staleness` ({:?}), so requests would wait for every \
                 check: a fifth of `max_staleness` is a good choice",
                settings.refresh_after, settings.max_staleness
            ),
            Refusal::ErrorsTooEarly(settings) => write!(
                f,
                "`max_stale_on_error` ({:?}) is shorter than `max_staleness` ({:?}), so answers would be trusted for longer \
                 while the shared store can be asked than while it cannot: make it as long at least",
                settings.max_stale_on_error, settings.max_staleness
            ),
        }
    }
}

impl Error for CachedStoreError {}
