//! The Sentinels, and which server they name as the master.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionInfo, ErrorKind, ProtocolVersion, RedisError, RedisResult, cmd,
};

use super::address::Address;
use super::endpoint::MonitoredMaster;
use super::time_limit::within;
use super::transport::Transport;
use crate::store::random::random;

/// The Sentinels, and the master that they agreed on last.
///
/// One Sentinel can be cut off and name an old master, so its word alone switches nothing. Two have
/// to name a new master, where two are configured. They are asked in random order.
pub(super) struct Sentinels {
    name: String,
    server: ConnectionInfo,
    sentinels: Vec<Sentinel>,
    master: Option<Address>,
}

struct Sentinel {
    info: ConnectionInfo,
    connection: Option<MultiplexedConnection>,
}

impl Sentinels {
    pub(super) fn new(monitored: MonitoredMaster) -> Self {
        let sentinels = monitored.sentinels.into_iter();
        let sentinels = sentinels.map(|info| Sentinel {
            info: info_for_resp2(info),
            connection: None,
        });
        Self {
            name: monitored.name,
            server: monitored.server,
            sentinels: sentinels.collect(),
            master: None,
        }
    }

    /// Returns how to connect to the master.
    pub(super) async fn master(
        &mut self,
        transport: &Transport,
        limit: Duration,
    ) -> RedisResult<ConnectionInfo> {
        let address = self.agreed(transport, limit).await?;
        let server = address.applied_to(&self.server);
        self.master = Some(address);
        Ok(server)
    }

    /// Returns whether the master is still the same. Sentinels that do not answer, and one that
    /// contradicts the others, change nothing.
    pub(super) async fn is_unchanged(&mut self, transport: &Transport, limit: Duration) -> bool {
        let Some(sentinel) = self.in_random_order().next() else {
            return true;
        };
        let known = self.master.clone();
        match self.ask(sentinel, transport, limit).await {
            Ok(address) if Some(&address) != known.as_ref() => {
                let agreed = self.agreed(transport, limit).await;
                agreed.is_err() || agreed.ok() == known
            }
            _ => true,
        }
    }

    /// Asks until one Sentinel names the known master, or two name the same other one.
    ///
    /// While no master is known, one answer is enough if no other Sentinel answers.
    async fn agreed(&mut self, transport: &Transport, limit: Duration) -> RedisResult<Address> {
        let mut named = Vec::new();
        let mut error = RedisError::from((ErrorKind::EmptySentinelList, "no Sentinel is named"));
        for sentinel in self.in_random_order() {
            match self.ask(sentinel, transport, limit).await {
                Ok(address) => {
                    let is_known = self.master.as_ref() == Some(&address);
                    if is_known || self.sentinels.len() == 1 || named.contains(&address) {
                        return Ok(address);
                    }
                    named.push(address);
                }
                Err(failed) => error = failed,
            }
        }
        match (named.pop(), &self.master) {
            (None, _) => Err(error),
            (Some(only), None) if named.is_empty() => Ok(only),
            _ => Err(RedisError::from((
                ErrorKind::MasterNameNotFoundBySentinel,
                "no two Sentinels name the same master",
            ))),
        }
    }

    fn in_random_order(&self) -> impl Iterator<Item = usize> + use<> {
        let mut order: Vec<usize> = (0..self.sentinels.len()).collect();
        order.sort_by_cached_key(|_| random());
        order.into_iter()
    }

    /// Asks one Sentinel, on the connection of the last time if it still works.
    async fn ask(
        &mut self,
        index: usize,
        transport: &Transport,
        limit: Duration,
    ) -> RedisResult<Address> {
        let unknown = || RedisError::from((ErrorKind::EmptySentinelList, "no such Sentinel"));
        let sentinel = self.sentinels.get_mut(index).ok_or_else(unknown)?;
        if let Some(mut connection) = sentinel.connection.take()
            && let Ok(address) = within(limit, named_master(&self.name, &mut connection)).await
        {
            sentinel.connection = Some(connection);
            return Ok(address);
        }
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let answer = async {
            let mut connection = transport.open(&sentinel.info, &config).await?;
            let address = named_master(&self.name, &mut connection).await?;
            Ok((connection, address))
        };
        let (connection, address) = within(limit, answer).await?;
        sentinel.connection = Some(connection);
        Ok(address)
    }
}

async fn named_master(name: &str, sentinel: &mut MultiplexedConnection) -> RedisResult<Address> {
    let mut question = cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    match question.query_async(sentinel).await? {
        Some((host, port)) => Ok(Address { host, port }),
        None => Err(RedisError::from((
            ErrorKind::MasterNameNotFoundBySentinel,
            "the Sentinel knows no master by this name",
        ))),
    }
}

/// Older Sentinels know no other version of the protocol.
fn info_for_resp2(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.redis_settings().clone();
    info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP2))
}
