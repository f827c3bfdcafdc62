//! Stores of session activity, and the contract that they keep.

pub(crate) mod activity_store;
#[cfg(feature = "_shared")]
pub(crate) mod any;
#[cfg(feature = "cached")]
pub(crate) mod cached;
#[cfg(feature = "_shared")]
pub(crate) mod change_log;
#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod detached;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod lifecycle;
pub(crate) mod memory;
pub(crate) mod random;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod rotation;
#[cfg(feature = "_shared")]
pub(crate) mod shared_store;
#[cfg(feature = "_sql")]
pub(crate) mod sql;
#[cfg(feature = "_shared")]
pub(crate) mod store_clock;
pub(crate) mod timed;
pub(crate) mod timeout;
