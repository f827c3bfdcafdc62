//! The observers of a store.

use std::fmt;
use std::sync::Arc;

use crate::store::event::observe_store::ObserveStore;
use crate::store::event::store_event::StoreEvent;
#[cfg(feature = "tracing")]
use crate::store::event::with_tracing::log;
#[cfg(not(feature = "tracing"))]
use crate::store::event::without_tracing::log;

/// The observers of a store, in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct StoreObservers(Vec<Arc<dyn ObserveStore>>);

impl StoreObservers {
    pub(crate) fn push(&mut self, observer: impl ObserveStore) {
        self.0.push(Arc::new(observer));
    }

    /// Logs the event, and reports it to each observer. Events are rare, and so not on the way of
    /// the others.
    #[cold]
    pub(crate) fn report(&self, event: &StoreEvent<'_>) {
        log(event);
        self.tell(event);
    }

    /// Reports the event to each observer, without logging it.
    pub(crate) fn tell(&self, event: &StoreEvent<'_>) {
        for observer in &self.0 {
            observer.observe_store(event);
        }
    }
}

impl fmt::Debug for StoreObservers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreObservers")
            .field(&self.0.len())
            .finish()
    }
}
