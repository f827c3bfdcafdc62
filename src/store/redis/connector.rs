//! How a connection is made, and how it is checked.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, PushKind, RedisError, RedisResult,
    Value, cmd, from_redis_value,
};
use tokio::sync::oneshot;

use super::announcements::Announcements;
use super::connection::Connection;
use super::sentinel::Sentinels;
use super::time_limit::within;

/// Makes connections to one target.
pub(super) struct Connector {
    pub(super) target: Target,
    /// Where announcements go, where the connection is to receive them.
    pub(super) announcements: Option<Announcements>,
    /// How long each step may take.
    pub(super) limit: Duration,
    /// How many commands may wait to be written.
    pub(super) queue: usize,
}

/// The servers that a connection leads to.
pub(super) enum Target {
    Server(ConnectionInfo),
    /// The master that Sentinels name.
    Master(Sentinels),
    Cluster(ClusterClient),
    /// One node of a Cluster, any of these. An announcement reaches every node.
    AnyNode {
        nodes: Vec<ConnectionInfo>,
        turn: usize,
    },
}

/// A signal that a connection was closed.
pub(super) struct Closed(Option<oneshot::Receiver<()>>);

impl Closed {
    /// Waits for the end of the connection. Dropping the future loses nothing.
    pub(super) async fn wait(&mut self) {
        match &mut self.0 {
            // The client sends this, or drops the sender, when the connection is closed.
            Some(closed) => drop(closed.await),
            // The Cluster client makes its connections again itself.
            None => pending().await,
        }
    }
}

impl Connector {
    /// Connects to a server that accepts writes.
    pub(super) async fn connect(&mut self) -> RedisResult<(Connection, Closed)> {
        let server = match &mut self.target {
            Target::Server(server) => server.clone(),
            Target::Master(sentinels) => sentinels.master(self.limit).await?,
            Target::AnyNode { nodes, turn } => {
                *turn = turn.wrapping_add(1);
                let index = turn.checked_rem(nodes.len()).unwrap_or_default();
                nodes.get(index).cloned().ok_or(no_node())?
            }
            Target::Cluster(cluster) => {
                // The client may have to try several nodes.
                let cluster = within(4 * self.limit, cluster.get_async_connection()).await?;
                return Ok((Connection::Cluster(cluster), Closed(None)));
            }
        };
        let (closing, closed) = oneshot::channel();
        let config = self.config(closing);
        let client = Client::open(server)?;
        let mut server = within(
            self.limit,
            client.get_multiplexed_async_connection_with_config(&config),
        )
        .await?;
        if let Some(announcements) = &self.announcements {
            within(self.limit, server.subscribe(announcements.channel())).await?;
        }
        if !self.is_right(&mut server).await? {
            return Err(RedisError::from((
                ErrorKind::Io,
                "the server is a replica, or no longer the master, or its Cluster is down",
            )));
        }
        Ok((Connection::Server(server), Closed(Some(closed))))
    }

    /// Returns whether the connection still leads to the right server. An error means that the
    /// server does not answer.
    pub(super) async fn is_right(
        &mut self,
        server: &mut MultiplexedConnection,
    ) -> RedisResult<bool> {
        if matches!(self.target, Target::AnyNode { .. }) {
            let mut ask = cmd("CLUSTER");
            ask.arg("INFO");
            let info: String = within(self.limit, ask.query_async(server)).await?;
            return Ok(info.contains("cluster_state:ok"));
        }
        // `HELLO` names the role, and needs fewer rights than `ROLE`.
        let hello = within(self.limit, server.send_packed_command(&cmd("HELLO"))).await?;
        if is_replica(hello) {
            return Ok(false);
        }
        Ok(match &mut self.target {
            Target::Master(sentinels) => sentinels.is_unchanged(self.limit).await,
            _ => true,
        })
    }

    /// Tells the listeners that announcements may have been lost.
    pub(super) fn missed(&self) {
        if let Some(announcements) = &self.announcements {
            announcements.missed();
        }
    }

    fn config(&self, closing: oneshot::Sender<()>) -> AsyncConnectionConfig {
        let announcements = self.announcements.clone();
        // The client wants a closure that can be called again. The sender can be used once.
        let closing = Mutex::new(Some(closing));
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.limit))
            // The deadline of the whole operation ends the wait for an answer.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(self.queue)
            .set_push_sender(move |push: redis::PushInfo| -> Result<(), ()> {
                if push.kind == PushKind::Disconnection {
                    let mut closing = closing.lock().map_err(|_| ())?;
                    return closing.take().map_or(Ok(()), |closing| closing.send(()));
                }
                if let Some(announcements) = &announcements {
                    announcements.receive(push);
                }
                Ok(())
            })
    }
}

/// Returns whether the answer to `HELLO`, a map of names and values, names another role than
/// master.
fn is_replica(hello: Value) -> bool {
    let Ok(Value::Map(facts)) = hello.extract_error() else {
        return false;
    };
    let facts: Vec<(String, Value)> = facts
        .into_iter()
        .filter_map(|(name, value)| Some((from_redis_value(name).ok()?, value)))
        .collect();
    let role = facts.into_iter().find(|(name, _)| name == "role");
    role.is_some_and(|(_, role)| {
        from_redis_value::<String>(role).is_ok_and(|role| role != "master")
    })
}

fn no_node() -> RedisError {
    RedisError::from((
        ErrorKind::InvalidClientConfig,
        "no node of the Cluster is named",
    ))
}
