//! Events that are reported while requests are handled.

#[cfg(feature = "tracing")]
mod with_tracing;
#[cfg(not(feature = "tracing"))]
mod without_tracing;

#[cfg(feature = "tracing")]
pub(crate) use with_tracing::{expired, store_failed};
#[cfg(not(feature = "tracing"))]
pub(crate) use without_tracing::{expired, store_failed};
