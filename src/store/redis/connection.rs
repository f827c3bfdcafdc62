//! What can be said to one server, and to a Cluster?

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::sleep;

use super::scripts::Call;

/// How long a key on the move is given before it is asked for again. The deadline ends it.
const A_MOMENT: Duration = Duration::from_millis(2);

/// A connection that is up, or was a moment ago. Clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// One command, on one key.
    pub(super) async fn command(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server(server) => server.send_packed_command(command).await?.extract_error(),
            // Each in a box of its own, where it is needed: small futures are what makes a touch fast.
            Self::Cluster(cluster) => Box::pin(follow(cluster, command)).await,
        }
    }

    /// One script, on its keys.
    pub(super) async fn script(&mut self, keys: &[&str], call: &Call<'_>) -> RedisResult<Value> {
        match self.command(&call.by_hash(keys)).await {
            Err(error) if is_unheard_of(&error) => {
                Box::pin(async { self.command(&call.whole(keys)).await }).await
            }
            answer => answer,
        }
    }

    /// One script, on one key, and then how many replicas have its effects, so many milliseconds later at the latest.
    pub(super) async fn replicated_script(
        &mut self,
        key: &str,
        call: &Call<'_>,
        replicas: usize,
        millis: u64,
    ) -> RedisResult<(Value, usize)> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(replicas).arg(millis);
        // The whole script, rare as it is: a server that did not know it would let us wait for nothing first.
        let mut both = Pipeline::new();
        both.add_command(call.whole(&[key])).add_command(wait);
        loop {
            match both.query_async(self).await {
                Err(error) if is_on_the_move(&error) => sleep(A_MOMENT).await,
                answer => break answer,
            }
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> redis::RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(command),
            Self::Cluster(cluster) => cluster.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

/// Goes where the key is now, until the deadline.
async fn follow(cluster: &mut ClusterConnection, command: &Cmd) -> RedisResult<Value> {
    loop {
        let answer = cluster.req_packed_command(command).await;
        match answer.and_then(Value::extract_error) {
            Err(error) if is_on_the_move(&error) => sleep(A_MOMENT).await,
            answer => return answer,
        }
    }
}

/// Whether the client followed a key that moves to another node, and ran out of attempts. Where many callers share a
/// connection, one's permission to ask the new node is at times used up by another one's command.
fn is_on_the_move(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, Moved, TryAgain};
    matches!(error.kind(), ErrorKind::Server(Ask | Moved | TryAgain))
}

/// Whether the server has to be told the whole script: it is new, or was started again.
fn is_unheard_of(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
