//! The settings of TLS where the feature `redis-tls` is off: there are none.

use redis::ConnectionInfo;
use redis::cluster::ClusterClientBuilder;

use super::error::RedisStoreError;

/// No settings. The endpoint's parser refuses `rediss://` already.
#[derive(Clone, Default)]
pub(super) struct Tls {}

impl Tls {
    pub(super) fn apply_to_server(
        &self,
        info: ConnectionInfo,
    ) -> Result<ConnectionInfo, RedisStoreError> {
        Ok(info)
    }

    pub(super) fn apply_to_cluster(&self, builder: ClusterClientBuilder) -> ClusterClientBuilder {
        builder
    }
}
