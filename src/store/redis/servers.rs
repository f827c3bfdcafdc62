//! The servers behind a store: one, or the nodes of a Cluster.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, ProtocolVersion, RedisError, RedisResult,
    ServerErrorKind, Value, cmd, from_redis_value,
};
use tokio::runtime::Handle;

use super::call::Call;
use super::cluster::Cluster;
use super::connection::send;
use super::connector::{Connector, Target};
use super::endpoint::Endpoint;
use super::managed_connection::ManagedConnection;
use super::node::NodeSettings;
use super::outages::Outages;
use super::sentinel::Sentinels;
use super::transport::Transport;

/// How many commands may wait to be written to one server at most.
const LONGEST_QUEUE: usize = 4_096;

/// The servers, and how a command finds its server by its key.
pub(super) enum Servers {
    One(ManagedConnection),
    Cluster(Cluster),
}

/// The settings of the connections to the servers.
pub(super) struct ServerSettings {
    pub(super) transport: Transport,
    pub(super) config: AsyncConnectionConfig,
    /// How long each step of connecting may take.
    pub(super) limit: Duration,
    /// How many operations may be under way at once.
    pub(super) in_flight: usize,
    pub(super) outages: Outages,
}

impl Servers {
    /// Connects to one server, or begins to connect to the nodes of a Cluster.
    pub(super) async fn connect(
        endpoint: &Endpoint,
        settings: ServerSettings,
    ) -> RedisResult<Self> {
        let runtime = Handle::current();
        let ServerSettings {
            transport,
            config,
            limit,
            in_flight,
            outages,
        } = settings;
        let queue = in_flight.min(LONGEST_QUEUE);
        let target = match endpoint {
            Endpoint::Server(server) => Target::Server(server.clone()),
            Endpoint::Client(client) => Target::Client(client.clone()),
            Endpoint::Sentinel(master) => Target::Master(Sentinels::new(master.clone())),
            Endpoint::Cluster(seeds) => {
                let settings = NodeSettings {
                    server: seeds.first().cloned().ok_or_else(no_seed)?,
                    transport,
                    config,
                    limit,
                    in_flight,
                    queue,
                    outages,
                    runtime,
                };
                // Boxed, because the future of an attempt to connect is deep.
                let cluster = Box::pin(Cluster::connect(seeds.clone(), settings));
                return Ok(Self::Cluster(cluster.await?));
            }
        };
        let connector = Connector {
            target,
            transport,
            protocol: ProtocolVersion::RESP3,
            config,
            limit,
            queue,
        };
        let connection = ManagedConnection::start(connector, outages.of_connection(), &runtime);
        connection.connection().await?;
        Ok(Self::One(connection))
    }

    /// Sends one command on this key.
    pub(super) async fn command(&self, key: &str, command: &Cmd) -> RedisResult<Value> {
        self.send(key, &[command]).await
    }

    /// Runs one script on its keys. In a Cluster it has one.
    pub(super) async fn script(&self, keys: &[&str], call: &Call<'_>) -> RedisResult<Value> {
        let key = keys.first().copied().unwrap_or_default();
        match self.command(key, &call.by_hash(keys)).await {
            Err(error) if is_unknown_script(&error) => {
                Box::pin(async { self.command(key, &call.whole(keys)).await }).await
            }
            answer => answer,
        }
    }

    /// Runs one script on its keys, and waits up to `millis` for replicas. Returns the script's
    /// answer and how many replicas have its effects.
    pub(super) async fn replicated_script(
        &self,
        keys: &[&str],
        call: &Call<'_>,
        replicas: usize,
        millis: u64,
    ) -> RedisResult<(Value, usize)> {
        let mut wait = cmd("WAIT");
        wait.arg(replicas).arg(millis);
        let key = keys.first().copied().unwrap_or_default();
        // The whole script and not its hash: a server that does not know the hash would refuse it,
        // and still wait for replicas.
        let both = self.send(key, &[&call.whole(keys), &wait]).await?;
        Ok(from_redis_value(both)?)
    }

    /// Has the connection checked at once, or the map of the Cluster read again, since an answer
    /// looked wrong or is missing.
    pub(super) fn doubt(&self) {
        match self {
            Self::One(server) => server.doubt(),
            Self::Cluster(cluster) => cluster.doubt(),
        }
    }

    async fn send(&self, key: &str, commands: &[&Cmd]) -> RedisResult<Value> {
        match self {
            Self::One(server) => send(&mut server.connection().await?, commands).await,
            // Boxed, because a small future is what makes a touch fast.
            Self::Cluster(cluster) => Box::pin(cluster.send(key, commands)).await,
        }
    }
}

fn no_seed() -> RedisError {
    RedisError::from((
        ErrorKind::ClusterConnectionNotFound,
        "the address names no node of the Cluster",
    ))
}

/// Returns whether the server does not know the script yet: it is new, or was restarted.
fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
