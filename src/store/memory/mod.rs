//! The store in this process's memory.

pub(crate) mod memory_store;
mod shard;
#[cfg(feature = "_shared")]
mod shared_store;
mod slot;
