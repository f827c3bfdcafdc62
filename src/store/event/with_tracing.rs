//! The log of a store's events, through `tracing`.

use crate::store::event::store_event::StoreEvent;

/// Logs the event.
pub(super) fn log(event: &StoreEvent<'_>) {
    match event {
        StoreEvent::Connected { store } => tracing::debug!(store, "connected to the session store"),
        StoreEvent::Lost { store } => tracing::warn!(
            store,
            "lost the connection to the session store: it connects again by itself"
        ),
        StoreEvent::Reconnected { store, away } => {
            tracing::info!(store, ?away, "connected to the session store again");
        }
        StoreEvent::ChangeLogBehind { by } => tracing::warn!(
            ?by,
            "the near cache cannot follow the log of changes: each session is asked of the store"
        ),
        StoreEvent::ChangeLogCut => tracing::warn!(
            "changes are missing in the log that the near cache follows: each session is asked of \
             the store once"
        ),
        StoreEvent::FlushFailed { error } => tracing::warn!(
            %error,
            source = error.source().map(tracing::field::display),
            "gathered activity is not written yet: the next flush tries again"
        ),
        StoreEvent::ChangeNotLogged { log, error } => tracing::warn!(
            log,
            %error,
            source = error.source().map(tracing::field::display),
            "a session was changed, but the log of changes could not be written: other nodes may \
             see the change up to a minute late; check the Cluster's node that has the log"
        ),
        StoreEvent::MalformedRows { store, table, rows } => tracing::warn!(
            store,
            table,
            rows,
            "skipped malformed rows of the session table: remove them, and make sure that no other \
             program writes to the table"
        ),
        StoreEvent::ClockStepped { before, after } => tracing::warn!(
            before = before.as_unix_millis(),
            after = after.as_unix_millis(),
            "the time of the session store has stepped, in milliseconds since 1970: set its clock \
             slowly"
        ),
        // A store that is too small evicts with each log-in. So one line is written for 1, 2, 4, 8
        // and so on.
        StoreEvent::Evicted { evicted } if evicted.is_power_of_two() => tracing::warn!(
            evicted,
            "the memory store is full and removed sessions that may be live: give it more capacity"
        ),
        StoreEvent::Slow {
            store,
            operation,
            took,
        } => tracing::info!(
            store,
            operation = operation.as_str(),
            ?took,
            "an operation of the session store was slow"
        ),
        StoreEvent::Evicted { .. }
        | StoreEvent::Cache { .. }
        | StoreEvent::Held { .. }
        | StoreEvent::Timed { .. } => {}
    }
}
