//! How a connection to one server is opened: plain, or through TLS.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisResult};

use super::tls::Tls;

/// Opens connections. Clones share the settings.
#[derive(Clone)]
pub(super) struct Transport {
    /// There is none where no server is reached through TLS.
    pub(super) tls: Option<Tls>,
}

impl Transport {
    /// Opens a connection and logs in.
    pub(super) async fn open(
        &self,
        server: &ConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        match (server.addr(), &self.tls) {
            (ConnectionAddr::TcpTls { host, port, .. }, Some(tls)) => {
                tls.open(host, *port, server, config).await
            }
            _ => {
                let client = Client::open(server.clone())?;
                client
                    .get_multiplexed_async_connection_with_config(config)
                    .await
            }
        }
    }
}
