//! A near cache in front of a scripted store, for the tests of the cache.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, CachedStore, CachedStoreBuilder, Policy, Reason, SessionKey,
    Timestamp, Verdict,
};

use crate::common::scripted::ScriptedStore;

pub const MILLI: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);
/// How often the store's log of changes is read.
pub const READ_EVERY: Duration = Duration::from_secs(1);
pub const MAX_STALENESS: Duration = Duration::from_secs(5);
pub const MAX_AGE: Duration = Duration::from_secs(60);
/// The age at which a session that is used is checked in the background.
pub const CHECK_AFTER: Duration = Duration::from_secs(48);
pub const MAX_STALE_ON_ERROR: Duration = Duration::from_secs(30);
pub const SHARED_TIMEOUT: Duration = Duration::from_millis(250);
pub const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// A cache in front of a shared store, with a wall clock that follows tokio's paused time.
pub struct World {
    pub shared: ScriptedStore,
    pub cache: CachedStore<ScriptedStore>,
    pub policy: Policy,
    pub start: Instant,
}

impl World {
    pub fn new() -> Self {
        Self::with(|builder| builder, Policy::default())
    }

    pub fn with(
        change: impl FnOnce(CachedStoreBuilder<ScriptedStore>) -> CachedStoreBuilder<ScriptedStore>,
        policy: Policy,
    ) -> Self {
        let shared = ScriptedStore::default();
        Self {
            cache: change(CachedStore::builder(shared.clone()))
                .build()
                .unwrap(),
            shared,
            policy,
            start: Instant::now(),
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000).saturating_add(self.start.elapsed())
    }

    /// Begins a session now.
    pub async fn begin(&self, id: &str) -> SessionKey {
        let key = SessionKey::of(id);
        let activity = Activity::began(self.now());
        self.cache
            .create(key, activity, Timestamp::MAX)
            .await
            .unwrap();
        key
    }

    /// Begins a session now, and sends requests so that the cache knows it.
    pub async fn begin_hot(&self, id: &str) -> SessionKey {
        let key = self.begin(id).await;
        assert_eq!(self.request(key).await, Ok(()));
        // The first request of all starts to follow the log of changes. What was learned before
        // that is asked again.
        settle().await;
        assert_eq!(self.request(key).await, Ok(()));
        key
    }

    /// Sends a request now and returns its verdict.
    pub async fn request(&self, key: SessionKey) -> Result<(), Refused> {
        self.judge(self.cache.touch(key, self.policy.touch(self.now())).await)
    }

    /// Sends a request now and returns its verdict if it comes from memory.
    pub fn request_now(&self, key: SessionKey) -> Option<Result<(), Refused>> {
        let asked = self.shared.questions();
        let touch = self.policy.touch(self.now());
        let answer = now_or_never(self.cache.touch(key, touch))?;
        // The shared store may have answered at once. That is no answer from memory.
        (self.shared.questions() == asked).then(|| self.judge(answer))
    }

    fn judge(&self, answer: Result<Option<Activity>, BoxError>) -> Result<(), Refused> {
        match self.policy.decide(
            answer.map_err(|error| Refused::Error(error.to_string()))?,
            self.now(),
        ) {
            Verdict::Active { .. } => Ok(()),
            Verdict::Expired(expired) => Err(Refused::Expired(expired.reason())),
            verdict => panic!("{verdict:?}"),
        }
    }

    /// Reads a record from the shared store.
    pub async fn stored(&self, key: SessionKey) -> Activity {
        self.shared
            .memory
            .load(key)
            .await
            .unwrap()
            .expect("a record")
    }

    /// Touches the session as another node would.
    pub async fn touch_elsewhere(&self, key: SessionKey) {
        let touch = self.policy.touch(self.now());
        self.shared.memory.touch(key, touch).await.unwrap();
    }

    pub async fn revoke_elsewhere(&self, key: SessionKey) {
        self.shared
            .memory
            .revoke(key, Timestamp::MAX)
            .await
            .unwrap();
    }
}

#[derive(Debug, PartialEq)]
pub enum Refused {
    Expired(Reason),
    Error(String),
}

/// Lets background tasks run that are ready.
pub async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// Returns the answer if it is there at the first poll.
pub fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
