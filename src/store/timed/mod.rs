//! A store that reports how long another one takes.

#[cfg(feature = "_shared")]
mod shared_store;
pub(crate) mod timed_future;
pub(crate) mod timed_store;
mod user_store;
