//! Events that stores report: the port, and the list of observers that a store holds.

pub(crate) mod observe_store;
pub(crate) mod store_event;
pub(crate) mod store_observers;
#[cfg(feature = "tracing")]
mod with_tracing;
#[cfg(not(feature = "tracing"))]
mod without_tracing;
