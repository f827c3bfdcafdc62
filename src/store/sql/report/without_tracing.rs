//! The reports of a store, without `tracing`: none.

/// Reports nothing.
pub(in crate::store::sql) fn malformed_rows(_table: &str, _rows: usize) {}
