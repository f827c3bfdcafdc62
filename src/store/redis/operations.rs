//! The operations: what each sends to the server, and how its answer is read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value, from_redis_value};
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};
use tokio::time::timeout;

use super::batcher::Batcher;
use super::call::Call;
use super::codec::{LoadResult, name, pack, read, split_refusal};
use super::error::RedisStoreError;
use super::servers::Servers;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::store::event::store_observers::StoreObservers;

/// The connections and the settings of one store, and the operations over them.
pub(super) struct Operations {
    pub(super) main: Servers,
    pub(super) replicated: Option<Replicated>,
    pub(super) batcher: Batcher,
    /// Whether one script may have many keys. A Cluster does not allow it, also where the URL names
    /// one server and a Cluster is behind it.
    pub(super) many_keys: AtomicBool,
    /// There is none for a Cluster, where each node has its own.
    pub(super) in_flight: Option<Semaphore>,
    pub(super) deadline: Duration,
    pub(super) prefix: String,
    /// The name of the stream that is the log of changes.
    pub(super) log: String,
    /// The addresses, without credentials.
    pub(super) endpoint: String,
    pub(super) observers: StoreObservers,
}

/// A second connection to each server, for revocations that wait for replicas: `WAIT` holds up all
/// commands behind it on the same connection.
pub(super) struct Replicated {
    pub(super) servers: Servers,
    pub(super) replicas: usize,
    pub(super) wait: Duration,
}

impl Operations {
    /// Waits for a permit and then runs the operation, both within the deadline. Dropping the
    /// future gives the permit back.
    // It takes a closure, because a future that is passed on is stored again in each caller's
    // future.
    pub(super) async fn in_time<T, F>(
        &self,
        operation: impl FnOnce() -> F,
    ) -> Result<T, RedisStoreError>
    where
        F: Future<Output = Result<T, RedisStoreError>>,
    {
        let with_permit = || async {
            let _permit = self.permit().await;
            operation().await
        };
        self.by_deadline(with_permit).await
    }

    /// Runs the operation within the deadline.
    pub(super) async fn by_deadline<T, F>(
        &self,
        operation: impl FnOnce() -> F,
    ) -> Result<T, RedisStoreError>
    where
        F: Future<Output = Result<T, RedisStoreError>>,
    {
        let answer = timeout(self.deadline, operation()).await;
        answer.unwrap_or_else(|_| {
            self.doubt();
            Err(RedisStoreError::timed_out(self.deadline))
        })
    }

    /// Waits until fewer operations are under way than `with_max_in_flight` allows.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        let in_flight = self.in_flight.as_ref()?;
        // The semaphore is never closed, so this is always a permit.
        match in_flight.try_acquire() {
            Err(TryAcquireError::NoPermits) => Box::pin(in_flight.acquire()).await.ok(),
            permit => permit.ok(),
        }
    }

    pub(super) async fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Result<Activity, RedisStoreError> {
        let record = &pack(&activity, keep_until)[..];
        let key = self.name(key);
        let call = Call::Begin { record, keep_until };
        let answer = self.script(&[&key], &call).await?;
        let before = self.written(&answer)?;
        Ok(read(&key, before)?.unwrap_or(activity))
    }

    pub(super) async fn load(&self, key: SessionKey) -> LoadResult {
        let key = self.name(key);
        self.read(&key).await
    }

    pub(super) async fn time(&self) -> Result<Timestamp, RedisStoreError> {
        // The key only selects the node of a Cluster. All nodes of the application use the same
        // one.
        let time = self.script(&[&self.prefix], &Call::Time).await?;
        let (seconds, micros): (u64, u64) = from_redis_value(time).map_err(RedisError::from)?;
        let millis = seconds.saturating_mul(1_000).saturating_add(micros / 1_000);
        Ok(Timestamp::from_unix_millis(millis))
    }

    async fn read(&self, key: &str) -> LoadResult {
        let mut get = Cmd::with_capacity(2, "GET".len() + key.len());
        get.arg("GET").arg(key);
        read(key, &self.command(key, &get).await?)
    }

    pub(super) async fn command(&self, key: &str, command: &Cmd) -> Result<Value, RedisStoreError> {
        self.checked(self.main.command(key, command).await)
    }

    pub(super) async fn script(
        &self,
        keys: &[&str],
        call: &Call<'_>,
    ) -> Result<Value, RedisStoreError> {
        self.checked(self.main.script(keys, call).await)
    }

    /// Returns whether one script may have many keys.
    pub(super) fn allows_many_keys(&self) -> bool {
        self.many_keys.load(Ordering::Relaxed)
    }

    /// Has every further script have one key: a Cluster is behind the address.
    pub(super) fn allow_one_key(&self) {
        self.many_keys.store(false, Ordering::Relaxed);
    }

    /// Has the connections checked after an answer that a master does not give.
    pub(super) fn checked<T>(&self, answer: Result<T, RedisError>) -> Result<T, RedisStoreError> {
        answer.map_err(|error| self.checked_error(error))
    }

    pub(super) fn checked_error(&self, error: RedisError) -> RedisStoreError {
        match error.kind() {
            ErrorKind::Io
            | ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
                self.doubt();
            }
            _ => {}
        }
        error.into()
    }

    /// Returns a script's answer, or the error with which the server refused to write.
    pub(super) fn written<'a>(&self, answer: &'a Value) -> Result<&'a Value, RedisStoreError> {
        match split_refusal(answer) {
            (answer, None) => Ok(answer),
            (_, Some(refusal)) => Err(self.checked_error(refusal)),
        }
    }

    /// Has the connections checked after an answer that is missing or looks wrong.
    pub(super) fn doubt(&self) {
        self.main.doubt();
        if let Some(replicated) = &self.replicated {
            replicated.servers.doubt();
        }
    }

    pub(super) fn name(&self, key: SessionKey) -> String {
        name(&self.prefix, key)
    }
}
