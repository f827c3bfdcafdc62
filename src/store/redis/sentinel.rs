//! The Sentinels, and which server they name as the master.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, ProtocolVersion,
    RedisError, RedisResult, cmd,
};

use super::endpoint::MonitoredMaster;
use super::time_limit::within;

/// The Sentinels, and the master that they named last.
pub(super) struct Sentinels {
    monitored: MonitoredMaster,
    /// A connection to the Sentinel that answered last. It is asked first.
    connected: Option<MultiplexedConnection>,
    /// The index of the Sentinel that is asked next.
    turn: usize,
    master: Option<(String, u16)>,
}

impl Sentinels {
    pub(super) fn new(monitored: MonitoredMaster) -> Self {
        Self {
            monitored,
            connected: None,
            turn: 0,
            master: None,
        }
    }

    /// Returns how to connect to the master that the first Sentinel to answer names.
    pub(super) async fn master(&mut self, limit: Duration) -> RedisResult<ConnectionInfo> {
        let (host, port) = self.ask(limit).await?;
        self.master = Some((host.clone(), port));
        let server = self.monitored.server.clone();
        let addr = match server.addr().clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        Ok(server.set_addr(addr))
    }

    /// Returns whether the Sentinels still name the same master. Sentinels that do not answer
    /// change nothing.
    pub(super) async fn is_unchanged(&mut self, limit: Duration) -> bool {
        match self.ask(limit).await {
            Ok(master) => self.master.as_ref() == Some(&master),
            Err(_) => true,
        }
    }

    async fn ask(&mut self, limit: Duration) -> RedisResult<(String, u16)> {
        if let Some(mut connected) = self.connected.take()
            && let Ok(master) = within(limit, self.ask_one(&mut connected)).await
        {
            self.connected = Some(connected);
            return Ok(master);
        }
        let mut last_error =
            RedisError::from((ErrorKind::EmptySentinelList, "no sentinel is named"));
        for _ in 0..self.monitored.sentinels.len() {
            let index = self.turn % self.monitored.sentinels.len();
            self.turn = self.turn.wrapping_add(1);
            let Some(sentinel) = self.monitored.sentinels.get(index).cloned() else {
                continue;
            };
            let answer = async {
                let mut connected = connect(sentinel).await?;
                let master = self.ask_one(&mut connected).await?;
                Ok((connected, master))
            };
            match within(limit, answer).await {
                Ok((connected, master)) => {
                    self.connected = Some(connected);
                    return Ok(master);
                }
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    async fn ask_one(&self, sentinel: &mut MultiplexedConnection) -> RedisResult<(String, u16)> {
        let mut question = cmd("SENTINEL");
        question
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.monitored.name);
        let master: Option<(String, u16)> = question.query_async(sentinel).await?;
        master.ok_or(RedisError::from((
            ErrorKind::MasterNameNotFoundBySentinel,
            "the sentinel knows no master by this name",
        )))
    }
}

async fn connect(sentinel: ConnectionInfo) -> RedisResult<MultiplexedConnection> {
    // RESP2, because older Sentinels know no other version of the protocol.
    let settings = sentinel
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP2);
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None);
    let client = Client::open(sentinel.set_redis_settings(settings))?;
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}
