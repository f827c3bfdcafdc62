//! The store in Redis or Valkey.

pub(crate) mod builder;
mod codec;
mod connection;
pub(crate) mod error;
mod finder;
mod gather;
mod link;
mod place;
mod push;
pub(crate) mod redis_store;
mod scripts;
mod sentinel;
mod servers;
#[cfg(feature = "redis-tls")]
mod with_tls;
#[cfg(not(feature = "redis-tls"))]
mod without_tls;

#[cfg(feature = "redis-tls")]
use with_tls as tls;
#[cfg(not(feature = "redis-tls"))]
use without_tls as tls;
