//! The operations: what each sends to the server, and how its answer is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd, from_redis_value};
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::announcements::Announcements;
use super::batcher::{BATCH_SIZE, Batcher};
use super::codec::{LoadResult, name, pack, read, split_refusal};
use super::error::RedisStoreError;
use super::managed_connection::ManagedConnection;
use super::scripts::Call;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::{Timestamp, whole_millis};
use crate::session::touch::Touch;

/// The connections and the settings of one store, and the operations over them.
pub(super) struct Operations {
    pub(super) main: ManagedConnection,
    pub(super) replicated: Option<Replicated>,
    /// Held so that it goes on receiving announcements.
    pub(super) _listener: Option<ManagedConnection>,
    pub(super) announcements: Announcements,
    pub(super) batcher: Batcher,
    /// Whether one script may touch many sessions. A Cluster does not allow it, also where the URL
    /// names one server and a Cluster is behind it.
    pub(super) batching: AtomicBool,
    pub(super) in_flight: Semaphore,
    pub(super) deadline: Duration,
    pub(super) prefix: String,
    /// The addresses, without credentials.
    pub(super) endpoint: String,
}

/// A second connection, for revocations that wait for replicas: `WAIT` holds up all commands behind
/// it on the same connection.
pub(super) struct Replicated {
    pub(super) connection: ManagedConnection,
    pub(super) replicas: usize,
    pub(super) wait: Duration,
}

/// The outcome of one touch.
pub(super) struct Touched {
    /// The record as it was before the touch.
    pub(super) found: LoadResult,
    /// Why the server refused to move last activity in the record that it read.
    pub(super) refusal: Option<RedisStoreError>,
}

impl Touched {
    fn failed(error: RedisStoreError) -> Self {
        Self {
            found: Err(error),
            refusal: None,
        }
    }
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
        // The semaphore is never closed, so this is always a permit.
        match self.in_flight.try_acquire() {
            Err(TryAcquireError::NoPermits) => Box::pin(self.in_flight.acquire()).await.ok(),
            permit => permit.ok(),
        }
    }

    pub(super) async fn create(
        &self,
        key: SessionKey,
        activity: &Activity,
        keep_until: Timestamp,
    ) -> Result<(), RedisStoreError> {
        let mut set = cmd("SET");
        set.arg(self.name(key)).arg(pack(activity, keep_until));
        if keep_until < Timestamp::MAX {
            // Redis refuses to expire at 0.
            set.arg("PXAT").arg(keep_until.as_unix_millis().max(1));
        }
        self.command(&set).await.map(drop)
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

    pub(super) async fn touch(&self, key: SessionKey, touch: &Touch) -> LoadResult {
        // Without `touch_every` nearly every touch is due, and reading first would only add a round
        // trip.
        if !touch.policy().touch_every().is_zero() {
            let found = self.load(key).await?;
            if !found.is_some_and(|found| touch.applies_to(&found)) {
                return Ok(found);
            }
        }
        // The script checks again, because the record may have changed in between.
        self.touch_alone(key, *touch).await.found
    }

    /// Touches records, and answers for each. An error of one does not fail the others.
    pub(super) async fn touch_each(
        self: &Arc<Self>,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Result<Vec<Touched>, RedisStoreError> {
        if touches.is_empty() {
            return Ok(Vec::new());
        }
        if self.batches() {
            match self.touch_in_one_script(&touches).await {
                // A Cluster is behind the address.
                Err(error) if error.is_cross_slot() => {
                    self.batching.store(false, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
        Ok(self.touch_one_by_one(touches).await)
    }

    /// Touches records with one script each. They are sent together, so they still share packets.
    async fn touch_one_by_one(self: &Arc<Self>, touches: Vec<(SessionKey, Touch)>) -> Vec<Touched> {
        let mut all: Vec<_> = touches.iter().map(|_| Touched::failed(no_list())).collect();
        let mut under_way = JoinSet::new();
        for (index, (key, touch)) in touches.into_iter().enumerate() {
            let operations = Arc::clone(self);
            under_way.spawn(async move { (index, operations.touch_alone(key, touch).await) });
        }
        while let Some(Ok((index, touched))) = under_way.join_next().await {
            if let Some(place) = all.get_mut(index) {
                *place = touched;
            }
        }
        all
    }

    async fn touch_alone(&self, key: SessionKey, touch: Touch) -> Touched {
        match self.touch_in_one_script(&[(key, touch)]).await {
            Ok(mut touched) => touched.pop().unwrap_or_else(|| Touched::failed(no_list())),
            Err(error) => Touched::failed(error),
        }
    }

    async fn touch_in_one_script(
        &self,
        touches: &[(SessionKey, Touch)],
    ) -> Result<Vec<Touched>, RedisStoreError> {
        let (names, touches): (Vec<_>, Vec<_>) = touches
            .iter()
            .map(|(key, touch)| (self.name(*key), *touch))
            .unzip();
        let keys: Vec<&str> = names.iter().map(String::as_str).collect();
        let Value::Array(answers) = self.script(&keys, &Call::Touch(&touches)).await? else {
            return Err(no_list());
        };
        let answers = keys.iter().zip(&answers);
        Ok(answers
            .map(|(key, answer)| self.touched(key, answer))
            .collect())
    }

    fn touched(&self, key: &str, answer: &Value) -> Touched {
        let (record, refusal) = split_refusal(answer);
        let refusal = refusal.map(|refusal| self.checked_error(refusal));
        match refusal {
            // Nothing was read, or it was read from a replica, which may be behind.
            Some(refusal) if *record == Value::Nil || refusal.is_unreachable() => {
                Touched::failed(refusal)
            }
            refusal => Touched {
                found: read(key, record),
                refusal,
            },
        }
    }

    /// Returns whether one script may touch many sessions.
    pub(super) fn batches(&self) -> bool {
        self.batching.load(Ordering::Relaxed)
    }

    /// Touches records whose answers are not needed. A malformed record is skipped: it would fail
    /// again however often the touches are repeated.
    pub(super) async fn touch_many(
        self: Arc<Self>,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Result<(), RedisStoreError> {
        for batch in touches.chunks(BATCH_SIZE) {
            for touched in self.in_time(|| self.touch_each(batch.to_vec())).await? {
                match (touched.found, touched.refusal) {
                    (_, Some(error)) => return Err(error),
                    (Err(error), _) if !error.is_malformed() => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub(super) async fn revoke(
        &self,
        key: SessionKey,
        keep_until: Timestamp,
    ) -> Result<bool, RedisStoreError> {
        let name = self.name(key);
        let channel = self.announcements.channel();
        let call = Call::Revoke {
            keep_until,
            channel,
            key,
        };
        let (answer, confirmed) = match &self.replicated {
            None => (self.script(&[&name], &call).await?, 0),
            Some(replicated) => {
                let mut connection = replicated.connection.connection().await?;
                let millis = whole_millis(replicated.wait);
                let answer = connection
                    .replicated_script(&name, &call, replicated.replicas, millis)
                    .await;
                self.checked(answer)?
            }
        };
        let wanted = self
            .replicated
            .as_ref()
            .map_or(0, |replicated| replicated.replicas);
        match self.written(&answer)? {
            Value::Int(0) => Ok(false),
            Value::Int(1) if confirmed < wanted => {
                Err(RedisStoreError::not_replicated(confirmed, wanted))
            }
            Value::Int(1) => Ok(true),
            _ => Err(RedisStoreError::malformed(name)),
        }
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
        read(key, &self.command(&get).await?)
    }

    async fn command(&self, command: &Cmd) -> Result<Value, RedisStoreError> {
        let mut connection = self.main.connection().await?;
        self.checked(connection.command(command).await)
    }

    async fn script(&self, keys: &[&str], call: &Call<'_>) -> Result<Value, RedisStoreError> {
        let mut connection = self.main.connection().await?;
        self.checked(connection.script(keys, call).await)
    }

    /// Has the connections checked after an answer that a master does not give.
    fn checked<T>(&self, answer: Result<T, RedisError>) -> Result<T, RedisStoreError> {
        answer.map_err(|error| self.checked_error(error))
    }

    fn checked_error(&self, error: RedisError) -> RedisStoreError {
        match error.kind() {
            ErrorKind::Io => self.failed(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
                self.doubt();
            }
            _ => {}
        }
        error.into()
    }

    /// Returns a script's answer, or the error with which the server refused to write.
    fn written<'a>(&self, answer: &'a Value) -> Result<&'a Value, RedisStoreError> {
        match split_refusal(answer) {
            (answer, None) => Ok(answer),
            (_, Some(refusal)) => Err(self.checked_error(refusal)),
        }
    }

    /// Has the connections to a server checked after an error of the connection.
    fn failed(&self) {
        self.main.failed();
        if let Some(replicated) = &self.replicated {
            replicated.connection.failed();
        }
    }

    fn doubt(&self) {
        self.main.doubt();
        if let Some(replicated) = &self.replicated {
            replicated.connection.doubt();
        }
    }

    fn name(&self, key: SessionKey) -> String {
        name(&self.prefix, key)
    }
}

fn no_list() -> RedisStoreError {
    RedisError::from((
        ErrorKind::UnexpectedReturnType,
        "the script did not answer with a list",
    ))
    .into()
}
