//! Whose sessions are, in SQL: a table beside the table of sessions.

pub(super) mod link_row;
#[cfg(feature = "mysql")]
pub(super) mod mysql;
#[cfg(feature = "postgres")]
pub(super) mod postgres;
#[cfg(feature = "sqlite")]
pub(super) mod sqlite;
pub(super) mod statements;
mod user_store;
