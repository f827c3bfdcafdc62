//! A near cache in front of a shared store.

pub(crate) mod builder;
mod cache;
pub(crate) mod cached_store;
mod entry;
mod flush;
pub(crate) mod flush_error;
mod follow;
pub(crate) mod future;
mod operations;
mod questions;
pub(crate) mod settings;
mod shard;
mod user_store;
mod worker;
