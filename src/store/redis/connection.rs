//! A connection to one server or to a Cluster, and how commands and scripts are sent on it.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::sleep;

use super::call::Call;

/// The pause before a command is repeated whose slot is being moved. The deadline ends the repeats.
const MOVE_PAUSE: Duration = Duration::from_millis(2);

/// A connection. It may have been lost a moment ago. Clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Sends one command on one key.
    pub(super) async fn command(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server(server) => server.send_packed_command(command).await?.extract_error(),
            // Boxed, because a small future is what makes a touch fast.
            Self::Cluster(cluster) => Box::pin(follow(cluster, command)).await,
        }
    }

    /// Runs one script on its keys.
    pub(super) async fn script(&mut self, keys: &[&str], call: &Call<'_>) -> RedisResult<Value> {
        match self.command(&call.by_hash(keys)).await {
            Err(error) if is_unknown_script(&error) => {
                Box::pin(async { self.command(&call.whole(keys)).await }).await
            }
            answer => answer,
        }
    }

    /// Runs one script on its keys, and waits up to `millis` for replicas. Returns the script's
    /// answer and how many replicas have its effects.
    pub(super) async fn replicated_script(
        &mut self,
        keys: &[&str],
        call: &Call<'_>,
        replicas: usize,
        millis: u64,
    ) -> RedisResult<(Value, usize)> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(replicas).arg(millis);
        // The whole script and not its hash: a server that does not know the hash would refuse it,
        // and still wait for replicas.
        let mut both = Pipeline::new();
        both.add_command(call.whole(keys)).add_command(wait);
        loop {
            match both.query_async(self).await {
                Err(error) if is_being_moved(&error) => sleep(MOVE_PAUSE).await,
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

/// Sends a command to the node that has the key now, and repeats it while the slot is being moved.
async fn follow(cluster: &mut ClusterConnection, command: &Cmd) -> RedisResult<Value> {
    loop {
        let answer = cluster.req_packed_command(command).await;
        match answer.and_then(Value::extract_error) {
            Err(error) if is_being_moved(&error) => sleep(MOVE_PAUSE).await,
            answer => return answer,
        }
    }
}

/// Returns whether the slot of the key is being moved, and the client ran out of redirections.
///
/// The client announces a redirected command with `ASKING`. Where many callers share a connection,
/// another command can use up that permission first, so that the redirection has to be repeated.
fn is_being_moved(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, Moved, TryAgain};
    matches!(error.kind(), ErrorKind::Server(Ask | Moved | TryAgain))
}

/// Returns whether the server does not know the script yet: it is new, or was restarted.
fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
