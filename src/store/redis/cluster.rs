//! The Cluster client and its settings.

use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::{ConnectionInfo, ProtocolVersion};

use super::error::RedisStoreError;
use super::tcp;
use super::tls::TlsSettings;

/// Builds the client. Its default settings retry for minutes. Here it only follows a slot that
/// moved.
pub(super) fn client(
    nodes: &[ConnectionInfo],
    tls: &TlsSettings,
    deadline: Duration,
) -> Result<ClusterClient, RedisStoreError> {
    let builder = ClusterClientBuilder::new(nodes.to_vec())
        .use_protocol(ProtocolVersion::RESP2)
        .tcp_settings(tcp::settings(deadline))
        .connection_timeout(deadline / 2)
        .response_timeout(deadline)
        .overall_response_timeout(None)
        .retries(4)
        .min_retry_wait(1)
        .max_retry_wait(20)
        .retry_wait_formula(2, 2);
    let builder = tls.apply_to_cluster(builder, nodes)?;
    builder.build().map_err(RedisStoreError::refused)
}
