//! A near cache in front of a store that several nodes share.

mod ask;
mod cache;
pub(crate) mod cached_store;
mod entry;
mod flush;
pub(crate) mod future;
pub(crate) mod settings;
mod shard;
mod worker;
