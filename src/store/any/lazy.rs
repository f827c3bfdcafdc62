//! A store that connects in the background, and answers with errors until it is connected.

use std::future::{Future, ready};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::erased::{BoxFuture, Erased};
use super::error::AnyStoreError;
use crate::clock::port::Clock;
use crate::clock::system::SystemClock;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::session::user::{UserKey, UserLink};
use crate::store::activity_store::BoxError;
use crate::store::change_log::{Changes, LogPosition};
use crate::store::shared_store::TouchAnswer;

/// How long one attempt to connect may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the store's time is in use before the store is.
///
/// A request reads the clock and asks the store a moment later. If the store were there at once, a
/// request could ask it with a time that the node's clock told, and be refused by mistake.
const CLOCK_FIRST: Duration = Duration::from_millis(100);

/// How often the log of changes is asked for before the store is connected.
const BEFORE_CONNECTED: Duration = Duration::from_millis(250);

/// A store that connects in the background.
pub(super) struct LazyStore {
    state: Arc<State>,
    connecting: AbortHandle,
}

struct State {
    kind: &'static str,
    store: OnceLock<Arc<dyn Erased>>,
    clock: OnceLock<Arc<dyn Clock>>,
    /// Why the last attempt failed.
    failure: Mutex<Option<Arc<AnyStoreError>>>,
}

/// Shows the node's time until the store is connected, and the store's time from then on.
struct LazyClock(Arc<State>);

impl LazyStore {
    /// Starts to connect. `connect` is called until it succeeds.
    ///
    /// # Errors
    ///
    /// Outside a Tokio runtime.
    pub(super) fn start<F>(
        kind: &'static str,
        connect: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<Self, AnyStoreError>
    where
        F: Future<Output = Result<Arc<dyn Erased>, AnyStoreError>> + Send + 'static,
    {
        let Ok(runtime) = Handle::try_current() else {
            return Err(AnyStoreError::refused(
                "a store connects in the background on a Tokio runtime, and there is none here: \
                 call `connect_lazy` in an async function",
            ));
        };
        let state = Arc::new(State {
            kind,
            store: OnceLock::new(),
            clock: OnceLock::new(),
            failure: Mutex::default(),
        });
        let task = runtime.spawn(Arc::clone(&state).connect(connect));
        Ok(Self {
            state,
            connecting: task.abort_handle(),
        })
    }

    /// Runs the operation, or returns an error if the store is not connected yet.
    fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&dyn Erased) -> BoxFuture<T>,
    ) -> BoxFuture<T> {
        match self.state.store.get() {
            Some(store) => operation(&**store),
            None => Box::pin(ready(Err(self.state.not_connected().into()))),
        }
    }
}

impl State {
    async fn connect<F>(self: Arc<Self>, connect: impl Fn() -> F)
    where
        F: Future<Output = Result<Arc<dyn Erased>, AnyStoreError>>,
    {
        let mut backoff = Backoff::new();
        loop {
            let attempt = async {
                let store = connect().await?;
                let clock = store.clock().await.map_err(AnyStoreError::failed)?;
                Ok((store, clock))
            };
            let outcome = timeout(ATTEMPT_TIMEOUT, attempt).await;
            let failure = match outcome {
                Ok(Ok((store, clock))) => return self.connected(store, clock).await,
                Ok(Err(error)) => error,
                Err(_) => AnyStoreError::refused(
                    "the store did not answer within 10 seconds: check that it runs and that the \
                     URL leads to it",
                ),
            };
            *self.lock_failure() = Some(Arc::new(failure));
            sleep(backoff.next()).await;
        }
    }

    /// Puts the store into use.
    async fn connected(&self, store: Arc<dyn Erased>, clock: Arc<dyn Clock>) {
        // Each is set here and nowhere else.
        let _ = self.clock.set(clock);
        sleep(CLOCK_FIRST).await;
        let _ = self.store.set(store);
    }

    fn not_connected(&self) -> AnyStoreError {
        AnyStoreError::not_connected(self.kind, self.lock_failure().clone())
    }

    fn lock_failure(&self) -> MutexGuard<'_, Option<Arc<AnyStoreError>>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Erased for LazyStore {
    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> BoxFuture<()> {
        self.run(|store| store.create(key, activity, keep_until))
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> BoxFuture<Activity> {
        self.run(|store| store.begin(key, activity, keep_until))
    }

    fn load(&self, key: SessionKey) -> BoxFuture<Option<Activity>> {
        self.run(|store| store.load(key))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> BoxFuture<Option<Activity>> {
        self.run(|store| store.touch(key, touch))
    }

    fn change(&self, key: SessionKey, change: Change) -> BoxFuture<Option<Activity>> {
        self.run(|store| store.change(key, change))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> BoxFuture<Option<Activity>> {
        self.run(|store| store.revoke(key, keep_until))
    }

    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> BoxFuture<Vec<TouchAnswer<BoxError>>> {
        self.run(|store| store.touch_many(touches))
    }

    fn changes_since(&self, position: Option<LogPosition>) -> BoxFuture<Changes> {
        self.run(|store| store.changes_since(position))
    }

    fn read_changes_every(&self) -> Duration {
        let store = self.state.store.get();
        store.map_or(BEFORE_CONNECTED, |store| store.read_changes_every())
    }

    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> BoxFuture<()> {
        self.run(|store| store.link(user, link, keep_until))
    }

    fn links_of(&self, user: UserKey) -> BoxFuture<Vec<UserLink>> {
        self.run(|store| store.links_of(user))
    }

    fn link_of(&self, session: SessionKey) -> BoxFuture<Option<(UserKey, UserLink)>> {
        self.run(|store| store.link_of(session))
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> BoxFuture<()> {
        self.run(|store| store.unlink(user, sessions))
    }

    fn load_many(&self, sessions: Vec<SessionKey>) -> BoxFuture<Vec<(SessionKey, Activity)>> {
        self.run(|store| store.load_many(sessions))
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> BoxFuture<Vec<(SessionKey, Activity)>> {
        self.run(|store| store.revoke_many(sessions, keep_until))
    }

    fn clock(&self) -> BoxFuture<Arc<dyn Clock>> {
        let clock: Arc<dyn Clock> = Arc::new(LazyClock(Arc::clone(&self.state)));
        Box::pin(ready(Ok(clock)))
    }

    fn kind(&self) -> &'static str {
        self.state.kind
    }
}

impl Clock for LazyClock {
    fn now(&self) -> Timestamp {
        match self.0.clock.get() {
            Some(clock) => clock.now(),
            None => SystemClock.now(),
        }
    }
}

impl Drop for LazyStore {
    fn drop(&mut self) {
        self.connecting.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::{Instant, advance};

    use super::super::erased::{erase, erase_clock};
    use super::*;
    use crate::clock::manual::ManualClock;
    use crate::store::activity_store::BoxError;
    use crate::store::memory::memory_store::MemoryStore;

    const KEY: SessionKey = SessionKey::from_bytes([7; 16]);

    /// A store whose clock stands in the year 2023.
    fn store() -> Arc<dyn Erased> {
        erase("fake", MemoryStore::new(), |_| {
            erase_clock(ready(Ok::<_, BoxError>(ManualClock::new())))
        })
    }

    /// A store that is connected by an attempt after so many that fail.
    fn connected_after(failures: u32) -> (LazyStore, Arc<AtomicU32>) {
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&attempts);
        let store = LazyStore::start("fake", move || {
            let attempt = counted.fetch_add(1, Ordering::Relaxed);
            ready(if attempt < failures {
                Err(AnyStoreError::refused("it is down"))
            } else {
                Ok(store())
            })
        });
        (store.unwrap(), attempts)
    }

    #[tokio::test(start_paused = true)]
    async fn operations_fail_at_once_until_it_is_connected() {
        let (store, attempts) = connected_after(3);
        let error = store.load(KEY).await.unwrap_err();
        assert!(error.source().is_none(), "no attempt was made yet");
        sleep(Duration::from_millis(1)).await;

        let started = Instant::now();
        let activity = Activity::began(Timestamp::UNIX_EPOCH);
        let touch = crate::session::policy::Policy::default().touch(Timestamp::UNIX_EPOCH);
        let errors = [
            store.create(KEY, activity, Timestamp::MAX).await.err(),
            store.begin(KEY, activity, Timestamp::MAX).await.err(),
            store.load(KEY).await.err(),
            store.touch(KEY, touch).await.err(),
            store.revoke(KEY, Timestamp::MAX).await.err(),
            store.touch_many(vec![(KEY, touch)]).await.err(),
        ];
        for error in errors {
            let error = error.expect("the store is not connected");
            assert!(error.to_string().contains("not connected yet"), "{error}");
            assert_eq!(error.source().unwrap().to_string(), "it is down");
        }
        assert_eq!(started.elapsed(), Duration::ZERO);

        sleep(Duration::from_secs(10)).await;
        assert_eq!(store.load(KEY).await.unwrap(), None);
        assert_eq!(attempts.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn the_stores_time_is_in_use_before_the_store() {
        let (store, _) = connected_after(0);
        let clock = store.clock().await.unwrap();
        let theirs = ManualClock::new().now();
        assert!(clock.now() > theirs, "it shows the node's time at first");
        let mut waited = 0;
        loop {
            let now = clock.now();
            let is_up = store.load(KEY).await.is_ok();
            match (now == theirs, is_up) {
                (false, true) => panic!("the store is in use with the node's time"),
                (true, false) => waited += 1,
                (true, true) => break,
                (false, false) => {}
            }
            advance(Duration::from_millis(1)).await;
        }
        assert!(waited > 50, "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_is_followed_by_another() {
        let attempts = AtomicU32::new(0);
        let store = LazyStore::start("fake", move || {
            let is_first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                if is_first {
                    std::future::pending::<()>().await;
                }
                Ok(store())
            }
        });
        let store = store.unwrap();
        sleep(ATTEMPT_TIMEOUT / 2).await;
        assert!(store.load(KEY).await.is_err());
        sleep(ATTEMPT_TIMEOUT).await;
        assert!(store.load(KEY).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_with_the_store() {
        let (store, attempts) = connected_after(u32::MAX);
        sleep(Duration::from_secs(60)).await;
        drop(store);
        let made = attempts.load(Ordering::Relaxed);
        assert!((15..60).contains(&made), "{made}");
        sleep(Duration::from_secs(60)).await;
        assert_eq!(attempts.load(Ordering::Relaxed), made);
    }

    #[test]
    fn it_needs_a_runtime() {
        let started = LazyStore::start("fake", || ready(Ok(store())));
        let error = started.err().expect("there is no runtime");
        assert!(error.to_string().contains("Tokio runtime"), "{error}");
    }
}
