//! The reports of a store, as events of `tracing`.

/// Reports rows that a batch skipped because they are malformed.
pub(in crate::store::sql) fn malformed_rows(table: &str, rows: usize) {
    tracing::warn!(
        table,
        rows,
        "skipped malformed rows of the session table: remove them, and make sure that no other \
         program writes to the table"
    );
}
