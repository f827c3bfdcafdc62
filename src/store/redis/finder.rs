//! Which server is the right one now, and is it still?

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, PushKind, RedisError, RedisResult,
    Value, cmd, from_redis_value,
};
use tokio::sync::oneshot;
use tokio::time::timeout;

use std::future::pending;
use std::sync::Mutex;

use super::connection::Connection;
use super::push::Announcements;
use super::sentinel::Sentinels;

/// How connections are made to where the records are.
pub(super) struct Finder {
    pub(super) whom: Whom,
    /// Where announcements go, if the connection is to carry them.
    pub(super) announcements: Option<Announcements>,
    /// How long each step may take.
    pub(super) limit: Duration,
    /// How many commands may wait to be written.
    pub(super) queue: usize,
}

/// Whom to connect to.
pub(super) enum Whom {
    /// This server.
    Server(ConnectionInfo),
    /// The server that the sentinels tell.
    Master(Sentinels),
    /// All the nodes of a Cluster.
    Everyone(ClusterClient),
    /// Any node of a Cluster: an announcement reaches every one of them.
    Anyone {
        nodes: Vec<ConnectionInfo>,
        turn: usize,
    },
}

/// Word of the end of a connection.
pub(super) struct Closed(Option<oneshot::Receiver<()>>);

impl Closed {
    /// Waits for it. Dropping the future loses nothing.
    pub(super) async fn wait(&mut self) {
        match &mut self.0 {
            // The client drops its end, or sends this, when the connection is over.
            Some(closed) => drop(closed.await),
            // A Cluster's connections are made again by the client.
            None => pending().await,
        }
    }
}

impl Finder {
    /// A new connection, to a server that takes writes.
    pub(super) async fn connect(&mut self) -> RedisResult<(Connection, Closed)> {
        let server = match &mut self.whom {
            Whom::Server(server) => server.clone(),
            Whom::Master(sentinels) => sentinels.master(self.limit).await?,
            Whom::Anyone { nodes, turn } => {
                *turn = turn.wrapping_add(1);
                let index = turn.checked_rem(nodes.len()).unwrap_or_default();
                nodes.get(index).cloned().ok_or(nowhere())?
            }
            Whom::Everyone(cluster) => {
                // Several nodes may have to be tried.
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

    /// Whether the connection still leads to the right server. An error means that it leads nowhere.
    pub(super) async fn is_right(
        &mut self,
        server: &mut MultiplexedConnection,
    ) -> RedisResult<bool> {
        if matches!(self.whom, Whom::Anyone { .. }) {
            let mut ask = cmd("CLUSTER");
            ask.arg("INFO");
            let info: String = within(self.limit, ask.query_async(server)).await?;
            return Ok(info.contains("cluster_state:ok"));
        }
        // An answer that every user may ask for, unlike `ROLE`.
        let hello = within(self.limit, server.send_packed_command(&cmd("HELLO"))).await?;
        if is_replica(hello) {
            return Ok(false);
        }
        Ok(match &mut self.whom {
            Whom::Master(sentinels) => sentinels.still_agree(self.limit).await,
            _ => true,
        })
    }

    /// Says that announcements may have been lost.
    pub(super) fn missed(&self) {
        if let Some(announcements) = &self.announcements {
            announcements.missed();
        }
    }

    fn config(&self, closing: oneshot::Sender<()>) -> AsyncConnectionConfig {
        let announcements = self.announcements.clone();
        // It fires once, and the client wants a closure that could be called again.
        let closing = Mutex::new(Some(closing));
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.limit))
            // The deadline of a whole operation includes this.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(self.queue)
            .set_push_sender(move |push: redis::PushInfo| -> Result<(), ()> {
                if push.kind == PushKind::Disconnection {
                    let mut closing = closing.lock().map_err(|_| ())?;
                    return closing.take().map_or(Ok(()), |closing| closing.send(()));
                }
                if let Some(announcements) = &announcements {
                    announcements.take(push);
                }
                Ok(())
            })
    }
}

/// Waits so long for an answer.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let late = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    timeout(limit, answer).await.map_err(late)?
}

/// What a server says of itself is a list of names and values.
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

fn nowhere() -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "no server is named"))
}
