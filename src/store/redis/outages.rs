//! The reports of a connection that is up, that is lost, and that is up again.

use tokio::time::Instant;

use crate::store::event::store_event::StoreEvent;
use crate::store::event::store_observers::StoreObservers;

/// The name of this kind of store.
const STORE: &str = "redis";

/// Reports when a connection is up, when it is lost, and when it is up again.
pub(super) struct Outages {
    observers: StoreObservers,
    was_up: bool,
    /// When the outage began that lasts.
    since: Option<Instant>,
}

impl Outages {
    pub(super) fn new(observers: StoreObservers) -> Self {
        Self {
            observers,
            was_up: false,
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

    /// Reports that the connection is up: for the first time, or again after it was lost.
    pub(super) fn ended(&mut self) {
        if !self.was_up {
            self.was_up = true;
            self.observers
                .report(&StoreEvent::Connected { store: STORE });
        }
        if let Some(since) = self.since.take() {
            self.observers.report(&StoreEvent::Reconnected {
                store: STORE,
                away: since.elapsed(),
            });
        }
    }
}
