//! The reports of a connection that is lost, and that is up again.

use tokio::time::Instant;

use crate::store::event::store_event::StoreEvent;
use crate::store::event::store_observers::StoreObservers;

/// The name of this kind of store.
const STORE: &str = "redis";

/// Reports when a connection is lost, and when it is up again.
pub(super) struct Outages {
    observers: StoreObservers,
    /// When the outage began that lasts.
    since: Option<Instant>,
}

impl Outages {
    pub(super) fn new(observers: StoreObservers) -> Self {
        Self {
            observers,
            since: None,
        }
    }

    /// Reports that the connection is lost, once until it is up again.
    pub(super) fn began(&mut self) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            self.observers.report(&StoreEvent::Lost { store: STORE });
        }
    }

    /// Reports that the connection is up again, if it was lost.
    pub(super) fn ended(&mut self) {
        if let Some(since) = self.since.take() {
            self.observers.report(&StoreEvent::Reconnected {
                store: STORE,
                away: since.elapsed(),
            });
        }
    }
}
