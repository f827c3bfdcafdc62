//! The reports of a store, without `tracing`: none.

use crate::store::redis::error::RedisStoreError;

/// Reports nothing.
pub(in crate::store::redis) fn missing_note(_log: &str, _error: &RedisStoreError) {}
