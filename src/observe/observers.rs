//! The observers of a layer.

use std::sync::Arc;

use crate::observe::event::{Cause, Event, Outcome, StoreOperation};
use crate::observe::port::Observe;
#[cfg(feature = "tracing")]
use crate::observe::with_tracing::built_in;
#[cfg(not(feature = "tracing"))]
use crate::observe::without_tracing::built_in;
use crate::session::key::SessionKey;
use crate::store::error::StoreError;

/// The observers of a layer, in the order in which they were added.
#[derive(Clone)]
pub(crate) struct Observers {
    all: Vec<Arc<dyn Observe>>,
    /// Those that want to hear of each request.
    of_requests: Vec<Arc<dyn Observe>>,
}

impl Observers {
    /// Creates a list of those observers that features of this crate add.
    pub(crate) fn built_in() -> Self {
        let mut observers = Self {
            all: Vec::new(),
            of_requests: Vec::new(),
        };
        if let Some(observer) = built_in() {
            observers.push(observer);
        }
        observers
    }

    pub(crate) fn push(&mut self, observer: Arc<dyn Observe>) {
        if observer.wants_requests() {
            self.of_requests.push(Arc::clone(&observer));
        }
        self.all.push(observer);
    }

    pub(crate) fn began(&self, key: SessionKey, cause: Cause) {
        let session = key.into();
        self.report(&Event::Began { session, cause });
    }

    pub(crate) fn rotated(&self, from: SessionKey, to: SessionKey, cause: Cause) {
        let (from, to) = (from.into(), to.into());
        self.report(&Event::Rotated { from, to, cause });
    }

    pub(crate) fn ended(&self, key: SessionKey, cause: Cause) {
        let session = key.into();
        self.report(&Event::Ended { session, cause });
    }

    pub(crate) fn store_failed(&self, operation: StoreOperation, cause: Cause, error: &StoreError) {
        self.report(&Event::StoreFailed {
            operation,
            cause,
            error,
        });
    }

    /// Reports what was decided about a request. Each request does this, so it costs one look at an
    /// empty list where nobody wants to know.
    #[inline]
    pub(crate) fn request(&self, outcome: Outcome) {
        if !self.of_requests.is_empty() {
            self.report_request(outcome);
        }
    }

    #[cold]
    fn report_request(&self, outcome: Outcome) {
        for observer in &self.of_requests {
            observer.observe(&Event::Request { outcome });
        }
    }

    pub(crate) fn report(&self, event: &Event<'_>) {
        for observer in &self.all {
            observer.observe(event);
        }
    }
}
