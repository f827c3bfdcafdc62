//! The log of a store's events, without `tracing`: none.

use crate::store::event::store_event::StoreEvent;

/// Logs nothing.
pub(super) fn log(_event: &StoreEvent<'_>) {}
