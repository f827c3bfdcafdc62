//! The builder of the store in memory.

use super::memory_store::{DEFAULT_CAPACITY, MemoryStore};
use crate::store::event::observe_store::ObserveStore;
use crate::store::event::store_observers::StoreObservers;

/// Builds a [`MemoryStore`].
///
/// ```
/// use tower_login_timeout::MemoryStore;
///
/// let store = MemoryStore::builder().with_capacity(10_000).build();
/// assert_eq!(store.capacity(), 10_000);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct MemoryStoreBuilder {
    capacity: usize,
    observers: StoreObservers,
}

// The constructor is here because the builder needs the store, and files do not need each other.
impl MemoryStore {
    /// Creates a builder with every default.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder {
            capacity: DEFAULT_CAPACITY,
            observers: StoreObservers::default(),
        }
    }
}

impl MemoryStoreBuilder {
    /// Sets how many sessions are remembered, at least one. The default is a million.
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Adds an observer. It is told [`StoreEvent::Evicted`] and [`StoreEvent::Held`].
    ///
    /// [`StoreEvent::Evicted`]: crate::StoreEvent::Evicted
    /// [`StoreEvent::Held`]: crate::StoreEvent::Held
    pub fn with_observer(mut self, observer: impl ObserveStore) -> Self {
        self.observers.push(observer);
        self
    }

    #[cfg(feature = "_shared")]
    pub(crate) fn with_observers(mut self, observers: StoreObservers) -> Self {
        self.observers = observers;
        self
    }

    /// Creates the store. It is empty.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        MemoryStore::with_observers(self.capacity, self.observers)
    }
}
