//! Tests of the time limit of `CachedStore::flush`, with stores that hang, are slow, or fail.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, Ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, CachedStore, Change, Changes, LogPosition, MemoryStore,
    Policy, SessionKey, SharedStore, Timestamp, Touch, TouchAnswer,
};

const SECOND: Duration = Duration::from_secs(1);
const BEGAN: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

/// What `touch_many` does.
#[derive(Clone, Copy)]
enum Mode {
    Hangs,
    Fails,
    Takes(Duration),
    /// Blocks the thread, and is ready then.
    Blocks(Duration),
    /// Fails, after some time, if this session is among them. Somebody holds a lock on its row.
    FailsWith(SessionKey, Duration),
}

/// A store over memory whose `touch_many` does as it is told.
#[derive(Clone)]
struct Store {
    memory: MemoryStore,
    mode: Arc<Mutex<Mode>>,
    batches: Arc<Mutex<Vec<usize>>>,
}

#[derive(Debug)]
struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server is down")
    }
}

impl Error for Down {}

/// Touches the records of the memory store, which is always ready and never fails.
fn touched(memory: &MemoryStore, touches: Vec<(SessionKey, Touch)>) -> Vec<TouchAnswer<BoxError>> {
    let Ok(found) = memory.touch_many(touches).into_inner();
    let found = found.into_iter();
    found
        .filter_map(|(key, found)| Some((key, Ok(found.ok()?))))
        .collect()
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

fn boxed<T: Send + 'static>(ready: Ready<Result<T, Infallible>>) -> Answer<T> {
    Box::pin(async move { Ok(ready.await?) })
}

impl ActivityStore for Store {
    type Error = BoxError;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        boxed(self.memory.create(key, activity, keep_until))
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        boxed(self.memory.begin(key, activity, keep_until))
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        boxed(self.memory.load(key))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        boxed(self.memory.touch(key, touch))
    }

    fn change(&self, key: SessionKey, change: Change) -> Answer<Option<Activity>> {
        boxed(self.memory.change(key, change))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<Option<Activity>> {
        boxed(self.memory.revoke(key, keep_until))
    }
}

impl SharedStore for Store {
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Answer<Vec<TouchAnswer<BoxError>>> {
        let (store, mode) = (self.clone(), *self.mode.lock().unwrap());
        Box::pin(async move {
            match mode {
                Mode::Hangs => std::future::pending().await,
                Mode::Fails => return Err(Down.into()),
                Mode::Takes(time) => sleep(time).await,
                Mode::Blocks(time) => std::thread::sleep(time),
                Mode::FailsWith(locked, time) => {
                    if touches.iter().any(|(key, _)| *key == locked) {
                        sleep(time).await;
                        return Err(Down.into());
                    }
                }
            }
            store.batches.lock().unwrap().push(touches.len());
            Ok(touched(&store.memory, touches))
        })
    }

    fn changes_since(&self, position: Option<LogPosition>) -> Answer<Changes> {
        boxed(self.memory.changes_since(position))
    }
}

/// A cache with this many gathered touches, and the store behind it.
async fn gathered(mode: Mode, sessions: u32) -> (CachedStore<Store>, Store) {
    let store = Store {
        memory: MemoryStore::new(),
        mode: Arc::new(Mutex::new(mode)),
        batches: Arc::default(),
    };
    let cache = CachedStore::builder(store.clone())
        .with_flush_every(5 * SECOND)
        .with_max_staleness(60 * SECOND)
        .with_max_stale_on_error(60 * SECOND)
        .build()
        .unwrap();
    let policy = Policy::default();
    // The first request starts to follow the log of changes.
    let nobody = SessionKey::of("nobody");
    cache.touch(nobody, policy.touch(BEGAN)).await.unwrap();
    yield_now().await;
    for session in 0..sessions {
        let (key, activity) = (key(session), Activity::began(BEGAN));
        let keep_until = policy.keep_until(&activity);
        cache.create(key, activity, keep_until).await.unwrap();
        for second in 1..=2 {
            let touch = policy.touch(BEGAN.saturating_add(second * SECOND));
            cache.touch(key, touch).await.unwrap();
        }
    }
    (cache, store)
}

fn key(session: u32) -> SessionKey {
    SessionKey::of(session.to_string())
}

async fn last_activity(store: &Store, session: u32) -> Timestamp {
    let found = store.memory.load(key(session)).await.unwrap();
    found.unwrap().last_activity()
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_in_time_while_the_store_hangs() {
    let (cache, store) = gathered(Mode::Hangs, 3).await;
    let started = Instant::now();
    let error = cache.flush(2 * SECOND).await.unwrap_err();
    assert_eq!(started.elapsed(), 2 * SECOND);
    assert!(error.is_timeout());
    assert!(error.source().is_none());
    let text = error.to_string();
    assert!(
        text.contains("within 2s") && text.contains("3 sessions"),
        "{text}"
    );

    // What was not written stays gathered.
    *store.mode.lock().unwrap() = Mode::Takes(Duration::ZERO);
    cache.flush(2 * SECOND).await.unwrap();
    let expected = BEGAN.saturating_add(2 * SECOND);
    assert_eq!(last_activity(&store, 0).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_in_time_while_another_one_hangs() {
    let (cache, _) = gathered(Mode::Hangs, 1).await;
    // The flush in the background has begun.
    sleep(6 * SECOND).await;
    let started = Instant::now();
    let error = cache.flush(2 * SECOND).await.unwrap_err();
    assert_eq!(started.elapsed(), 2 * SECOND);
    assert!(error.is_timeout());
}

#[tokio::test(start_paused = true)]
async fn the_time_is_that_of_all_batches_together() {
    let (cache, store) = gathered(Mode::Takes(SECOND * 3 / 4), 2_500).await;
    let started = Instant::now();
    let error = cache.flush(2 * SECOND).await.unwrap_err();
    assert_eq!(started.elapsed(), 2 * SECOND);
    assert!(error.to_string().contains("500 sessions"), "{error}");
    cache.flush(2 * SECOND).await.unwrap();
    assert_eq!(*store.batches.lock().unwrap(), [1_000, 1_000, 500]);
}

#[tokio::test]
async fn a_flush_ends_between_batches_where_the_store_never_waits() {
    let (cache, store) = gathered(Mode::Blocks(Duration::from_millis(100)), 5_000).await;
    assert!(store.batches.lock().unwrap().is_empty());
    let error = cache.flush(Duration::from_millis(150)).await.unwrap_err();
    assert!(error.is_timeout());
    let written = store.batches.lock().unwrap().len();
    assert!(written <= 2, "{written} batches were written");
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_store_is_the_source() {
    let (cache, _) = gathered(Mode::Fails, 1).await;
    let error = cache.flush(2 * SECOND).await.unwrap_err();
    assert!(!error.is_timeout());
    assert_eq!(error.source().unwrap().to_string(), "the server is down");
}

#[tokio::test(start_paused = true)]
async fn any_time_may_be_given() {
    let (cache, store) = gathered(Mode::Takes(SECOND), 1).await;
    assert!(cache.flush(Duration::ZERO).await.unwrap_err().is_timeout());
    cache.flush(Duration::MAX).await.unwrap();
    assert_eq!(store.batches.lock().unwrap().len(), 1);
    // There is nothing left to write.
    cache.flush(Duration::ZERO).await.unwrap();
}

/// A batch fails at once, or takes longer than a flush waits for it.
#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_written_holds_up_no_other_one() {
    for time in [SECOND, 20 * SECOND] {
        let locked = key(7);
        let (cache, store) = gathered(Mode::FailsWith(locked, time), 2_500).await;
        // One flush in the background, with all parts of the batch that fails.
        sleep(70 * SECOND).await;
        let (unwritten, expected) = (SECOND, 2 * SECOND);
        for session in 0..2_500 {
            let last = last_activity(&store, session).await;
            let is_locked = key(session) == locked;
            let expected = if is_locked { unwritten } else { expected };
            assert_eq!(last, BEGAN.saturating_add(expected), "{session}");
        }
        drop(cache);
    }
}
