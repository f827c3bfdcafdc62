//! The store in Redis or Valkey.

mod address;
mod backoff;
mod batch;
mod batcher;
pub(crate) mod builder;
mod call;
mod change_log;
mod changing;
mod cluster;
mod cluster_map;
mod codec;
mod connection;
mod connector;
mod endpoint;
pub(crate) mod error;
mod links;
mod managed_connection;
mod node;
mod operations;
mod outages;
pub(crate) mod redis_store;
mod refresh;
mod scripts;
mod sentinel;
mod servers;
mod slots;
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
mod user_store;
