//! The store in this process's memory.

pub(crate) mod builder;
mod links;
pub(crate) mod memory_store;
mod shard;
#[cfg(feature = "_shared")]
mod shared_store;
mod slot;
mod user_store;
#[cfg(feature = "_shared")]
mod with_change_log;
#[cfg(not(feature = "_shared"))]
mod without_change_log;

#[cfg(feature = "_shared")]
use with_change_log::ChangeLog;
#[cfg(not(feature = "_shared"))]
use without_change_log::ChangeLog;
