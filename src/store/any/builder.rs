//! The builder of a store that is chosen by a URL.

use super::any_store::AnyStore;
use super::error::AnyStoreError;
use crate::store::event::observe_store::ObserveStore;
use crate::store::event::store_observers::StoreObservers;

/// Builds an [`AnyStore`] that reports its [events](crate::StoreEvent).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use tower_login_timeout::{AnyStore, StoreEvent};
///
/// let store = AnyStore::builder()
///     .with_observer(|event: &StoreEvent<'_>| eprintln!("{event:?}"))
///     .connect("memory:")
///     .await?;
/// assert_eq!(store.kind(), "memory");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `connect` or `connect_lazy` is called"]
pub struct AnyStoreBuilder {
    observers: StoreObservers,
}

// The constructor is here because the builder needs the store, and files do not need each other.
impl AnyStore {
    /// Creates a builder without an observer.
    pub fn builder() -> AnyStoreBuilder {
        AnyStoreBuilder::default()
    }
}

impl AnyStoreBuilder {
    /// Adds an observer. The store and its clocks report their events to it.
    pub fn with_observer(mut self, observer: impl ObserveStore) -> Self {
        self.observers.push(observer);
        self
    }

    /// Connects as [`AnyStore::connect`] does.
    ///
    /// # Errors
    ///
    /// As [`AnyStore::connect`].
    pub async fn connect(self, url: &str) -> Result<AnyStore, AnyStoreError> {
        AnyStore::connect_with(url, self.observers).await
    }

    /// Creates a store that connects in the background, as [`AnyStore::connect_lazy`] does.
    ///
    /// # Errors
    ///
    /// As [`AnyStore::connect_lazy`].
    pub fn connect_lazy(self, url: &str) -> Result<AnyStore, AnyStoreError> {
        AnyStore::connect_lazy_with(url, self.observers)
    }
}
