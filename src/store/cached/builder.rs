//! The builder of a near cache.

use std::time::Duration;

use super::cached_store::CachedStore;
use super::settings::{CachedStoreError, Settings};
use crate::store::event::observe_store::ObserveStore;
use crate::store::event::store_observers::StoreObservers;
use crate::store::shared_store::SharedStore;

/// Builds a [`CachedStore`]. [`build`](CachedStoreBuilder::build) checks the settings together.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{CachedStore, MemoryStore};
///
/// let builder = CachedStore::builder(MemoryStore::new());
/// assert!(builder.clone().with_capacity(50_000).build().is_ok());
/// let error = builder.with_max_staleness(Duration::ZERO).build().unwrap_err();
/// assert!(error.to_string().contains("`max_staleness` is zero"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct CachedStoreBuilder<R> {
    shared: R,
    settings: Settings,
    observers: StoreObservers,
}

// The constructor is here because the builder needs the store, and files do not need each other.
impl<R: SharedStore> CachedStore<R> {
    /// Creates a builder with every default.
    pub fn builder(shared: R) -> CachedStoreBuilder<R> {
        CachedStoreBuilder {
            shared,
            settings: Settings::DEFAULT,
            observers: StoreObservers::default(),
        }
    }
}

impl<R: SharedStore> CachedStoreBuilder<R> {
    /// Sets for how long sessions are answered from memory after the last successful read of the
    /// log of changes. The default is five seconds.
    ///
    /// A revocation on another node is usually seen at the next read of the log: see
    /// [`SharedStore::read_changes_every`]. If the log cannot be read, it is seen within this time.
    /// Two other settings are for worse cases. If the shared store fails altogether, it is
    /// `max_stale_on_error`. If the change never reached the log, it is `max_age`.
    pub fn with_max_staleness(mut self, max_staleness: Duration) -> Self {
        self.settings.max_staleness = max_staleness;
        self
    }

    /// Sets the age up to which an entry is served. The default is one minute.
    ///
    /// Some changes never reach the log, because the node that made them died first. This limits
    /// how long they stay unseen. Nothing else needs it to be short.
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.settings.max_age = max_age;
        self
    }

    /// Sets for how long sessions are answered from memory while the shared store fails. The
    /// default is thirty seconds.
    ///
    /// It cannot be shorter than `max_staleness`. If they are equal, a failing store extends
    /// nothing.
    pub fn with_max_stale_on_error(mut self, max_stale_on_error: Duration) -> Self {
        self.settings.max_stale_on_error = max_stale_on_error;
        self
    }

    /// Sets how long the shared store may take before it counts as failing. The default is 250
    /// milliseconds.
    ///
    /// Keep it well below [`Policy::store_timeout`](crate::Policy::store_timeout), after which the
    /// request is answered.
    pub fn with_shared_timeout(mut self, shared_timeout: Duration) -> Self {
        self.settings.shared_timeout = shared_timeout;
        self
    }

    /// Sets how long activity is gathered before it is written. The default is one second.
    ///
    /// A crash loses the activity of this time at most.
    pub fn with_flush_every(mut self, flush_every: Duration) -> Self {
        self.settings.flush_every = flush_every;
        self
    }

    /// Sets how many sessions are kept in memory. The default is 100 000.
    ///
    /// A session takes about 150 bytes, and 200 more while its activity is not written yet.
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.settings.capacity = capacity;
        self
    }

    /// Adds an observer. It is told [`StoreEvent::Cache`], [`StoreEvent::ChangeLogBehind`],
    /// [`StoreEvent::ChangeLogCut`] and [`StoreEvent::FlushFailed`]. The shared store has observers
    /// of its own.
    ///
    /// [`StoreEvent::Cache`]: crate::StoreEvent::Cache
    /// [`StoreEvent::ChangeLogBehind`]: crate::StoreEvent::ChangeLogBehind
    /// [`StoreEvent::ChangeLogCut`]: crate::StoreEvent::ChangeLogCut
    /// [`StoreEvent::FlushFailed`]: crate::StoreEvent::FlushFailed
    pub fn with_observer(mut self, observer: impl ObserveStore) -> Self {
        self.observers.push(observer);
        self
    }

    /// Creates the near cache.
    ///
    /// # Errors
    ///
    /// If a setting is zero, or if `max_stale_on_error` is shorter than `max_staleness`.
    pub fn build(self) -> Result<CachedStore<R>, CachedStoreError> {
        let settings = self.settings.checked()?;
        Ok(CachedStore::with_settings(
            self.shared,
            settings,
            self.observers,
        ))
    }
}
