//! The store in Redis or Valkey.

mod backoff;
mod batch;
mod batcher;
pub(crate) mod builder;
mod call;
mod change_log;
mod changing;
mod cluster;
mod codec;
mod connection;
mod connector;
mod endpoint;
pub(crate) mod error;
mod managed_connection;
mod operations;
mod outages;
pub(crate) mod redis_store;
mod report;
mod scripts;
mod sentinel;
mod tcp;
mod time_limit;
#[cfg(feature = "redis-tls")]
mod tls;
#[cfg(not(feature = "redis-tls"))]
#[path = "without_tls.rs"]
mod tls;
mod touches;
mod transport;
mod url_parameters;
