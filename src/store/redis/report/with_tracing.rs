//! The reports of a store, as events of `tracing`.

use crate::store::redis::error::RedisStoreError;

/// Reports that a session changed in a Cluster, and that the log of changes does not say so.
pub(in crate::store::redis) fn missing_note(log: &str, error: &RedisStoreError) {
    tracing::warn!(
        log,
        %error,
        "a session was changed, but the log of changes could not be written: other nodes may see \
         the change up to a minute late; check the Cluster's node that has this key"
    );
}
