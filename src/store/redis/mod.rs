//! The store in Redis or Valkey.

mod announcements;
mod batch;
mod batcher;
pub(crate) mod builder;
mod codec;
mod connection;
mod connector;
mod endpoint;
pub(crate) mod error;
mod managed_connection;
mod operations;
pub(crate) mod redis_store;
mod scripts;
mod sentinel;
mod time_limit;
#[cfg(feature = "redis-tls")]
mod tls;
#[cfg(not(feature = "redis-tls"))]
#[path = "without_tls.rs"]
mod tls;
