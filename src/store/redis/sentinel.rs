//! Which server do the Sentinels call the master?

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, ProtocolVersion,
    RedisError, RedisResult, cmd,
};

use super::finder::within;
use super::place::Watched;

/// The Sentinels, and what they said last.
pub(super) struct Sentinels {
    watched: Watched,
    /// The one that answered last, to be asked first.
    informant: Option<MultiplexedConnection>,
    /// The one to be asked next.
    turn: usize,
    master: Option<(String, u16)>,
}

impl Sentinels {
    pub(super) fn new(watched: Watched) -> Self {
        Self {
            watched,
            informant: None,
            turn: 0,
            master: None,
        }
    }

    /// How to connect to the master, as the first Sentinel to answer knows it.
    pub(super) async fn master(&mut self, limit: Duration) -> RedisResult<ConnectionInfo> {
        let (host, port) = self.ask(limit).await?;
        self.master = Some((host.clone(), port));
        let server = self.watched.server.clone();
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

    /// Whether the master is still the one that was last connected to. Sentinels that are away change nothing.
    pub(super) async fn still_agree(&mut self, limit: Duration) -> bool {
        match self.ask(limit).await {
            Ok(master) => self.master.as_ref() == Some(&master),
            Err(_) => true,
        }
    }

    async fn ask(&mut self, limit: Duration) -> RedisResult<(String, u16)> {
        if let Some(mut informant) = self.informant.take()
            && let Ok(master) = within(limit, self.question(&mut informant)).await
        {
            self.informant = Some(informant);
            return Ok(master);
        }
        let mut last_error =
            RedisError::from((ErrorKind::EmptySentinelList, "no sentinel is named"));
        for _ in 0..self.watched.sentinels.len() {
            let index = self.turn % self.watched.sentinels.len();
            self.turn = self.turn.wrapping_add(1);
            let Some(sentinel) = self.watched.sentinels.get(index).cloned() else {
                continue;
            };
            let answer = async {
                let mut informant = meet(sentinel).await?;
                let master = self.question(&mut informant).await?;
                Ok((informant, master))
            };
            match within(limit, answer).await {
                Ok((informant, master)) => {
                    self.informant = Some(informant);
                    return Ok(master);
                }
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    async fn question(&self, informant: &mut MultiplexedConnection) -> RedisResult<(String, u16)> {
        let mut question = cmd("SENTINEL");
        question
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.watched.name);
        let master: Option<(String, u16)> = question.query_async(informant).await?;
        master.ok_or(RedisError::from((
            ErrorKind::MasterNameNotFoundBySentinel,
            "the sentinel knows no master by this name",
        )))
    }
}

async fn meet(sentinel: ConnectionInfo) -> RedisResult<MultiplexedConnection> {
    // Nothing is announced here, and older Sentinels know only this version of the protocol.
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
