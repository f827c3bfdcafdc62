//! How is a connection kept private? Not at all: the feature `redis-tls` is off, and `rediss://` is refused.

use redis::ConnectionInfo;
use redis::cluster::ClusterClientBuilder;

use super::error::RedisStoreError;

#[derive(Clone, Default)]
pub(super) struct Tls {}

impl Tls {
    pub(super) fn of_server(
        &self,
        info: ConnectionInfo,
    ) -> Result<ConnectionInfo, RedisStoreError> {
        Ok(info)
    }

    pub(super) fn of_cluster(&self, builder: ClusterClientBuilder) -> ClusterClientBuilder {
        builder
    }
}
