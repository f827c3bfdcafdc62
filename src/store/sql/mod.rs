//! The stores in SQL databases: SQLite, PostgreSQL, MySQL and MariaDB.

mod batch;
mod call;
mod changes;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod clock;
pub(crate) mod dialect;
pub(crate) mod error;
mod log_position;
mod log_row;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
mod operations;
mod pool;
mod pooled_connection;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod reconnect;
mod row;
mod run;
mod settings;
pub(crate) mod sql_store;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
mod sweep;
mod table;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod text_call;
mod users;
mod value;
