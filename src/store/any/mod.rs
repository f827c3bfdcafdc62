//! A store that is chosen at run time by a URL.

pub(crate) mod any_store;
mod backoff;
pub(crate) mod builder;
mod erased;
pub(crate) mod error;
mod kind;
mod lazy;
mod memory;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
mod user_store;
