//! Events that are reported while sessions are handled: the port, and its users in this crate.

pub(crate) mod event;
pub(crate) mod key_prefix;
#[cfg(feature = "metrics")]
pub(crate) mod metrics_observer;
pub(crate) mod observers;
pub(crate) mod port;
#[cfg(feature = "tracing")]
mod with_tracing;
#[cfg(not(feature = "tracing"))]
mod without_tracing;
