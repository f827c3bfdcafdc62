//! How a connection is made, and how it is checked.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, ProtocolVersion, PushInfo, PushKind,
    RedisError, RedisResult, Value, cmd, from_redis_value,
};
use tokio::sync::oneshot;

use super::sentinel::Sentinels;
use super::time_limit::within;
use super::transport::Transport;

/// Makes connections to one target.
pub(super) struct Connector {
    pub(super) target: Target,
    pub(super) transport: Transport,
    /// RESP3 at first. A server that does not know it is spoken to in RESP2.
    pub(super) protocol: ProtocolVersion,
    /// The application's own settings. The time limits and the queue's length are replaced.
    pub(super) config: AsyncConnectionConfig,
    /// How long each step may take.
    pub(super) limit: Duration,
    /// How many commands may wait to be written.
    pub(super) queue: usize,
}

/// The servers that a connection leads to.
pub(super) enum Target {
    Server(ConnectionInfo),
    /// The server of an application's own client.
    Client(Client),
    /// The master that Sentinels name.
    Master(Sentinels),
    /// A node of a Cluster. It may be a replica, which redirects commands to its master.
    Node(ConnectionInfo),
}

/// A signal that a connection was closed.
pub(super) struct Closed(Option<oneshot::Receiver<()>>);

impl Closed {
    /// Waits for the end of the connection. Dropping the future loses nothing.
    pub(super) async fn wait(&mut self) {
        match &mut self.0 {
            // The client sends this, or drops the sender, when the connection is closed.
            Some(closed) => drop(closed.await),
            // RESP2 has no such signal.
            None => pending().await,
        }
    }
}

impl Connector {
    /// Connects to a server that accepts writes.
    pub(super) async fn connect(&mut self) -> RedisResult<(MultiplexedConnection, Closed)> {
        let connected = self.connect_once().await;
        match connected {
            Err(error) if self.protocol.supports_resp3() && has_no_resp3(&error) => {
                self.protocol = ProtocolVersion::RESP2;
                self.connect_once().await
            }
            connected => connected,
        }
    }

    async fn connect_once(&mut self) -> RedisResult<(MultiplexedConnection, Closed)> {
        let server = match &mut self.target {
            Target::Server(server) | Target::Node(server) => server.clone(),
            Target::Client(client) => client.get_connection_info().clone(),
            Target::Master(sentinels) => sentinels.master(&self.transport, self.limit).await?,
        };
        let settings = server.redis_settings().clone();
        let server = server.set_redis_settings(settings.set_protocol(self.protocol));
        let (config, closed) = self.config();
        let mut server = within(self.limit, self.transport.open(&server, &config)).await?;
        if !self.is_right(&mut server).await? {
            return Err(RedisError::from((
                ErrorKind::Io,
                "the server is a replica, or no longer the master",
            )));
        }
        Ok((server, Closed(closed)))
    }

    /// Returns whether the connection still leads to the right server. An error means that the
    /// server does not answer.
    pub(super) async fn is_right(
        &mut self,
        server: &mut MultiplexedConnection,
    ) -> RedisResult<bool> {
        // `HELLO` names the role and needs fewer rights than `ROLE`. With RESP2 it may be missing.
        let question = if self.protocol.supports_resp3() {
            cmd("HELLO")
        } else {
            cmd("ROLE")
        };
        let role = within(self.limit, server.send_packed_command(&question)).await?;
        let is_replica = is_replica(role);
        Ok(match &mut self.target {
            Target::Node(_) => true,
            _ if is_replica => false,
            Target::Master(sentinels) => sentinels.is_unchanged(&self.transport, self.limit).await,
            _ => true,
        })
    }

    fn config(&self) -> (AsyncConnectionConfig, Option<oneshot::Receiver<()>>) {
        let config = self
            .config
            .clone()
            .set_connection_timeout(Some(self.limit))
            // The deadline of the whole operation ends the wait for an answer.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(self.queue);
        if !self.protocol.supports_resp3() {
            return (config, None);
        }
        let (closing, closed) = oneshot::channel();
        // The client wants a closure that can be called again. The sender can be used once.
        let closing = Mutex::new(Some(closing));
        let config = config.set_push_sender(move |push: PushInfo| -> Result<(), ()> {
            if push.kind == PushKind::Disconnection {
                let mut closing = closing.lock().map_err(|_| ())?;
                return closing.take().map_or(Ok(()), |closing| closing.send(()));
            }
            Ok(())
        });
        (config, Some(closed))
    }
}

/// Returns whether a server, or a proxy before it, does not know RESP3 or `HELLO`.
fn has_no_resp3(error: &RedisError) -> bool {
    let unknown = |detail: &str| detail.contains("unknown command");
    error.kind() == ErrorKind::RESP3NotSupported
        || error.code() == Some("NOPROTO")
        || (error.code() == Some("ERR") && error.detail().is_some_and(unknown))
}

/// Returns whether the answer to `HELLO` or to `ROLE` names another role than master.
///
/// `HELLO` answers a map of names and values, `ROLE` a list that begins with the role. A server
/// that refuses to answer passes: it says so itself when it is told to write.
fn is_replica(answer: Value) -> bool {
    let role = match answer {
        Value::Map(facts) => facts.into_iter().find_map(|(name, value)| {
            let name: String = from_redis_value(name).ok()?;
            (name == "role").then_some(value)
        }),
        Value::Array(parts) => parts.into_iter().next(),
        _ => None,
    };
    role.is_some_and(|role| from_redis_value::<String>(role).is_ok_and(|role| role != "master"))
}
