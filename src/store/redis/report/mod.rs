//! The reports of a store.

#[cfg(feature = "tracing")]
mod with_tracing;
#[cfg(not(feature = "tracing"))]
mod without_tracing;

#[cfg(feature = "tracing")]
pub(super) use with_tracing::missing_note;
#[cfg(not(feature = "tracing"))]
pub(super) use without_tracing::missing_note;
