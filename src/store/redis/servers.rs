//! What does each operation say to Redis?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd, from_redis_value};
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::codec::{name, pack, unpack};
use super::error::RedisStoreError;
use super::gather::{BATCH, Gathering};
use super::link::Link;
use super::push::Announcements;
use super::scripts::Call;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::{Timestamp, whole_millis};
use crate::session::touch::Touch;

/// The servers, and how they are used.
pub(super) struct Servers {
    pub(super) main: Link,
    pub(super) careful: Option<Careful>,
    /// Kept up for the announcements that it carries.
    pub(super) _listener: Option<Link>,
    pub(super) announcements: Announcements,
    pub(super) gathering: Gathering,
    /// Whether a script may work on many sessions. A Cluster wants them in one slot, also where a URL names one server
    /// and a Cluster is behind it.
    pub(super) together: AtomicBool,
    pub(super) in_flight: Semaphore,
    pub(super) deadline: Duration,
    pub(super) prefix: String,
    /// The addresses, without credentials.
    pub(super) shown: String,
}

/// What there was, before anything was changed.
pub(super) type Found = Result<Option<Activity>, RedisStoreError>;

/// A link of its own for those who wait for replicas, since whatever is behind them on the same connection waits too.
pub(super) struct Careful {
    pub(super) link: Link,
    pub(super) replicas: usize,
    pub(super) wait: Duration,
}

impl Servers {
    /// Waits for a turn and then for the operation, until the deadline. Wherever this is dropped, the turn is the
    /// next one's.
    // It begins the operation itself, since a future that is handed on is kept in every hand that it went through.
    pub(super) async fn in_time<T, F>(
        &self,
        operation: impl FnOnce() -> F,
    ) -> Result<T, RedisStoreError>
    where
        F: Future<Output = Result<T, RedisStoreError>>,
    {
        let in_turn = || async {
            let _turn = self.turn().await;
            operation().await
        };
        self.by_deadline(in_turn).await
    }

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

    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes the semaphore, so this is a permit.
        match self.in_flight.try_acquire() {
            Err(TryAcquireError::NoPermits) => Box::pin(self.in_flight.acquire()).await.ok(),
            turn => turn.ok(),
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
        let before = self
            .script(&[&key], &Call::Begin { record, keep_until })
            .await?;
        Ok(read(&key, &before)?.unwrap_or(activity))
    }

    pub(super) async fn load(&self, key: SessionKey) -> Found {
        let key = self.name(key);
        self.read(&key).await
    }

    pub(super) async fn touch(&self, key: SessionKey, touch: &Touch) -> Found {
        // Where nearly every touch is due, reading first would only cost a round trip.
        if !touch.policy().touch_every().is_zero() {
            let found = self.load(key).await?;
            if !found.is_some_and(|found| touch.applies_to(&found)) {
                return Ok(found);
            }
        }
        // The script judges again, since the record may have changed on the way.
        self.touch_alone(key, *touch).await
    }

    /// What there was of each. What fails for one fails none of the others.
    pub(super) async fn touches(
        self: &Arc<Self>,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Result<Vec<Found>, RedisStoreError> {
        if touches.is_empty() {
            return Ok(Vec::new());
        }
        if self.go_together() {
            match self.touches_in_one(&touches).await {
                // Redis refused one of them, and did not say which.
                Err(error) if error.is_refusal() && touches.len() > 1 => {
                    if error.is_cross_slot() {
                        self.together.store(false, Ordering::Relaxed);
                    }
                }
                answer => return answer,
            }
        }
        Ok(self.touches_apart(touches).await)
    }

    /// The same, each by a script of its own. On the way they share packets all the same.
    async fn touches_apart(self: &Arc<Self>, touches: Vec<(SessionKey, Touch)>) -> Vec<Found> {
        let mut all: Vec<Found> = touches.iter().map(|_| Err(no_list())).collect();
        let mut under_way = JoinSet::new();
        for (index, (key, touch)) in touches.into_iter().enumerate() {
            let servers = Arc::clone(self);
            under_way.spawn(async move { (index, servers.touch_alone(key, touch).await) });
        }
        while let Some(Ok((index, found))) = under_way.join_next().await {
            if let Some(place) = all.get_mut(index) {
                *place = found;
            }
        }
        all
    }

    async fn touch_alone(&self, key: SessionKey, touch: Touch) -> Found {
        let found = self.touches_in_one(&[(key, touch)]).await?.pop();
        found.unwrap_or_else(|| Err(no_list()))
    }

    async fn touches_in_one(
        &self,
        touches: &[(SessionKey, Touch)],
    ) -> Result<Vec<Found>, RedisStoreError> {
        let (names, touches): (Vec<_>, Vec<_>) = touches
            .iter()
            .map(|(key, touch)| (self.name(*key), *touch))
            .unzip();
        let keys: Vec<&str> = names.iter().map(String::as_str).collect();
        let Value::Array(found) = self.script(&keys, &Call::Touch(&touches)).await? else {
            return Err(no_list());
        };
        let found = keys.iter().zip(&found);
        Ok(found.map(|(key, found)| read(key, found)).collect())
    }

    pub(super) fn go_together(&self) -> bool {
        self.together.load(Ordering::Relaxed)
    }

    /// Touches whose answers nobody waits for. What is no record is no reason to write the others again.
    pub(super) async fn touch_many(
        self: Arc<Self>,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Result<(), RedisStoreError> {
        for batch in touches.chunks(BATCH) {
            for found in self.in_time(|| self.touches(batch.to_vec())).await? {
                match found {
                    Err(error) if !error.is_malformed() => return Err(error),
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
        let (answer, confirmed) = match &self.careful {
            None => (self.script(&[&name], &call).await?, 0),
            Some(careful) => {
                let mut connection = careful.link.connection().await?;
                let millis = whole_millis(careful.wait);
                let answer = connection
                    .replicated_script(&name, &call, careful.replicas, millis)
                    .await;
                self.noticed(answer)?
            }
        };
        let wanted = self.careful.as_ref().map_or(0, |careful| careful.replicas);
        match answer {
            Value::Int(0) => Ok(false),
            Value::Int(1) if confirmed < wanted => {
                Err(RedisStoreError::not_replicated(confirmed, wanted))
            }
            Value::Int(1) => Ok(true),
            _ => Err(RedisStoreError::malformed(name)),
        }
    }

    pub(super) async fn time(&self) -> Result<Timestamp, RedisStoreError> {
        // Any key will do, as long as it is the same for all.
        let time = self.script(&[&self.prefix], &Call::Time).await?;
        let (seconds, micros): (u64, u64) = from_redis_value(time).map_err(RedisError::from)?;
        let millis = seconds.saturating_mul(1_000).saturating_add(micros / 1_000);
        Ok(Timestamp::from_unix_millis(millis))
    }

    async fn read(&self, key: &str) -> Found {
        let mut get = Cmd::with_capacity(2, "GET".len() + key.len());
        get.arg("GET").arg(key);
        read(key, &self.command(&get).await?)
    }

    async fn command(&self, command: &Cmd) -> Result<Value, RedisStoreError> {
        let mut connection = self.main.connection().await?;
        self.noticed(connection.command(command).await)
    }

    async fn script(&self, keys: &[&str], call: &Call<'_>) -> Result<Value, RedisStoreError> {
        let mut connection = self.main.connection().await?;
        self.noticed(connection.script(keys, call).await)
    }

    /// Has the connections tried if the answer is one that a master does not give.
    fn noticed<T>(&self, answer: Result<T, RedisError>) -> Result<T, RedisStoreError> {
        answer.map_err(|error| {
            if let ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) =
                error.kind()
            {
                self.doubt();
            }
            error.into()
        })
    }

    fn doubt(&self) {
        self.main.doubt();
        if let Some(careful) = &self.careful {
            careful.link.doubt();
        }
    }

    fn name(&self, key: SessionKey) -> String {
        name(&self.prefix, key)
    }
}

fn no_list() -> RedisStoreError {
    RedisError::from((ErrorKind::UnexpectedReturnType, "a script answered no list")).into()
}

fn read(key: &str, value: &Value) -> Found {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(record) => match unpack(record) {
            Ok(activity) => Ok(Some(activity)),
            Err(_) => Err(RedisStoreError::malformed(key.to_owned())),
        },
        _ => Err(RedisStoreError::malformed(key.to_owned())),
    }
}
