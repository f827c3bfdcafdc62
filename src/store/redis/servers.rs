//! The servers behind a store: one, or the nodes of a Cluster.

use redis::{
    Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, cmd, from_redis_value,
};

use super::call::Call;
use super::cluster::Cluster;
use super::connection::send;
use super::managed_connection::ManagedConnection;

/// The servers, and how a command finds its server by its key.
pub(super) enum Servers {
    One(ManagedConnection),
    Cluster(Cluster),
}

impl Servers {
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

/// Returns whether the server does not know the script yet: it is new, or was restarted.
fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
