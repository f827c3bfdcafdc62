//! Does the near cache keep its promises?
#![cfg(feature = "cached")]

mod scripted;

use std::sync::Arc;
use std::time::Duration;

use futures_now::now_or_never;
use scripted::{Mode, Scripted};
use tokio::time::{Instant, sleep};
use tower_login_timeout::{
    Activity, ActivityStore, Announced, BoxError, CachedStore, CachedStoreBuilder, MemoryStore,
    Policy, Reason, SessionKey, Timestamp, Verdict,
};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const REFRESH_AFTER: Duration = Duration::from_secs(1);
const MAX_STALENESS: Duration = Duration::from_secs(5);
const MAX_STALE_ON_ERROR: Duration = Duration::from_secs(30);
const SHARED_TIMEOUT: Duration = Duration::from_millis(250);
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// A cache in front of a shared store, and a clock on the wall that goes with tokio's paused time.
struct World {
    shared: Scripted,
    cache: CachedStore<Scripted>,
    policy: Policy,
    start: Instant,
}

impl World {
    fn new() -> Self {
        Self::with(|builder| builder, Policy::default())
    }

    fn with(
        change: impl FnOnce(CachedStoreBuilder<Scripted>) -> CachedStoreBuilder<Scripted>,
        policy: Policy,
    ) -> Self {
        let shared = Scripted::new();
        Self {
            cache: change(CachedStore::builder(shared.clone()))
                .build()
                .unwrap(),
            shared,
            policy,
            start: Instant::now(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000).saturating_add(self.start.elapsed())
    }

    /// A session that begins now.
    async fn begin(&self, id: &str) -> SessionKey {
        let key = SessionKey::of(id);
        let activity = Activity::began(self.now());
        self.cache
            .create(key, activity, Timestamp::MAX)
            .await
            .unwrap();
        key
    }

    /// A session that begins now, and that was asked about.
    async fn begin_hot(&self, id: &str) -> SessionKey {
        let key = self.begin(id).await;
        assert_eq!(self.request(key).await, Ok(()));
        key
    }

    /// What a request at this moment is told.
    async fn request(&self, key: SessionKey) -> Result<(), Refused> {
        self.judge(self.cache.touch(key, self.policy.touch(self.now())).await)
    }

    /// What a request at this moment is told by memory, if anything.
    fn request_now(&self, key: SessionKey) -> Option<Result<(), Refused>> {
        let asked = self.shared.questions();
        let touch = self.policy.touch(self.now());
        let answer = now_or_never(self.cache.touch(key, touch))?;
        // The shared store may answer at once, too.
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

    /// What the shared store has.
    async fn stored(&self, key: SessionKey) -> Activity {
        self.shared
            .memory
            .load(key)
            .await
            .unwrap()
            .expect("a record")
    }

    /// Last activity of another node.
    async fn touch_elsewhere(&self, key: SessionKey) {
        let touch = self.policy.touch(self.now());
        self.shared.memory.touch(key, touch).await.unwrap();
    }

    async fn revoke_elsewhere(&self, key: SessionKey) {
        self.shared
            .memory
            .revoke(key, Timestamp::MAX)
            .await
            .unwrap();
    }
}

#[derive(Debug, PartialEq)]
enum Refused {
    Expired(Reason),
    Error(String),
}

/// Lets what is ready in the background happen.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

mod futures_now {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// The answer, if it is there at the first poll.
    pub(crate) fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }
}

// Answers from memory, and their age.

#[tokio::test(start_paused = true)]
async fn a_hot_session_is_answered_at_once_without_a_question() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    let asked = world.shared.questions();
    for _ in 0..9 {
        sleep(100 * MILLI).await;
        assert_eq!(world.request_now(key), Some(Ok(())));
    }
    assert_eq!(world.shared.questions(), asked);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_memory_is_the_activity_as_it_was_before() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    let mut before = world.now();
    for _ in 0..5 {
        sleep(100 * MILLI).await;
        let touch = world.policy.touch(world.now());
        let answer = world.cache.touch(key, touch).await.unwrap().unwrap();
        assert_eq!(answer.last_activity(), before);
        before = world.now();
    }
}

#[tokio::test(start_paused = true)]
async fn a_passive_request_is_answered_from_memory_and_is_no_activity() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    let before = world.stored(key).await;
    sleep(900 * MILLI).await;
    let asked = world.shared.questions();
    let passive = world.policy.touch(world.now()).passive();
    let answer = now_or_never(world.cache.touch(key, passive)).expect("an answer from memory");
    assert_eq!(answer.unwrap(), Some(before));
    assert_eq!(world.shared.questions(), asked);
    world.cache.flush(10 * SECOND).await.unwrap();
    assert_eq!(world.stored(key).await, before);
}

#[tokio::test(start_paused = true)]
async fn an_aging_answer_is_given_while_one_check_at_a_time_runs() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(REFRESH_AFTER).await;
    world.shared.set(Mode::Hangs);
    let asked = world.shared.questions();
    for _ in 0..10 {
        assert_eq!(world.request_now(key), Some(Ok(())));
        settle().await;
    }
    assert_eq!(world.shared.questions(), asked + 1);
    // It gives up, and the next one may run.
    sleep(SHARED_TIMEOUT).await;
    world.shared.set(Mode::Answers);
    assert_eq!(world.request_now(key), Some(Ok(())));
    settle().await;
    assert_eq!(world.shared.questions(), asked + 2);
    // The answer is fresh again.
    assert_eq!(world.request_now(key), Some(Ok(())));
    settle().await;
    assert_eq!(world.shared.questions(), asked + 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_in_steady_use_never_waits_for_a_check() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    for _ in 0..200 {
        sleep(300 * MILLI).await;
        assert_eq!(world.request_now(key), Some(Ok(())));
    }
    // One a second in the background.
    assert!(
        world.shared.questions() <= 62,
        "{}",
        world.shared.questions()
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_asked_for_first() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(MAX_STALENESS - MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(MAX_STALENESS).await;
    world.revoke_elsewhere(key).await;
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn age_counts_from_the_question() {
    let world = World::new();
    let key = world.begin("a").await;
    world.shared.set(Mode::AnswersLate);
    let first = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    sleep(MAX_STALENESS).await;
    world.shared.open_gate();
    first.await.unwrap().unwrap();
    world.shared.set(Mode::Answers);
    let asked = world.shared.questions();
    assert_eq!(world.request(key).await, Ok(()));
    assert_eq!(world.shared.questions(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_overtaken_by_a_newer_one_is_not_kept() {
    let world = World::new();
    let key = world.begin("a").await;
    world.shared.set(Mode::AnswersLate);
    let slow = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    sleep(3 * SECOND).await;
    world.shared.set(Mode::Answers);
    assert_eq!(world.request(key).await, Ok(()));
    world.shared.open_gate();
    slow.await.unwrap().unwrap();
    sleep(MAX_STALENESS - SECOND).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
}

// Refusals.

#[tokio::test(start_paused = true)]
async fn an_unknown_session_is_asked_about_each_time() {
    let world = World::new();
    let key = SessionKey::of("nobody");
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Unknown))
    );
    // It begins elsewhere.
    let activity = Activity::began(world.now());
    world
        .shared
        .memory
        .create(key, activity, Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(world.request(key).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_looks_idle_is_asked_about_first() {
    let policy = Policy::builder().with_idle(4 * SECOND).build().unwrap();
    let world = World::with(|builder| builder, policy);
    let key = world.begin_hot("a").await;
    sleep(3 * SECOND).await;
    world.touch_elsewhere(key).await;
    sleep(SECOND).await;
    assert_eq!(world.request(key).await, Ok(()), "it was active elsewhere");
    sleep(4 * SECOND).await;
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Idle))
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_past_its_absolute_timeout_is_refused_whatever_its_activity() {
    let policy = Policy::builder()
        .with_absolute(10 * SECOND)
        .build()
        .unwrap();
    let world = World::with(|builder| builder, policy);
    let key = world.begin_hot("a").await;
    for _ in 0..99 {
        sleep(100 * MILLI).await;
        assert_eq!(world.request(key).await, Ok(()));
    }
    sleep(100 * MILLI).await;
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Absolute))
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_shared_store_has_lost_is_unknown_within_max_staleness() {
    let mut world = World::new();
    world.shared = Scripted::over(MemoryStore::with_capacity(1));
    world.cache = CachedStore::new(world.shared.clone());
    let key = world.begin_hot("a").await;
    world.begin("another, which takes its place").await;
    assert_eq!(world.shared.memory.load(key).await.unwrap(), None);
    sleep(MAX_STALENESS).await;
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Unknown))
    );
}

// Revocations.

#[tokio::test(start_paused = true)]
async fn a_revocation_that_is_pushed_is_seen_at_once() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    // By another node, through its own handle.
    world.shared.revoke(key, Timestamp::MAX).await.unwrap();
    settle().await;
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_is_not_pushed_is_seen_within_max_staleness() {
    let world = World::new();
    for busy in [100 * MILLI, 900 * MILLI, 2 * SECOND, MAX_STALENESS] {
        let key = world.begin_hot(&format!("{busy:?}")).await;
        world.revoke_elsewhere(key).await;
        let revoked = Instant::now();
        while world.request(key).await.is_ok() {
            sleep(busy).await;
            assert!(revoked.elapsed() <= MAX_STALENESS);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_through_this_handle_is_seen_when_it_returns() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    let clone = world.cache.clone();
    assert!(clone.revoke(key, Timestamp::MAX).await.unwrap());
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn announcements_that_were_missed_make_every_answer_stale_at_once() {
    let world = World::new();
    let (a, b) = (world.begin_hot("a").await, world.begin_hot("b").await);
    world.revoke_elsewhere(a).await;
    world.shared.announce(Announced::Missed);
    settle().await;
    assert_eq!(
        world.request(a).await,
        Err(Refused::Expired(Reason::Revoked))
    );
    let asked = world.shared.questions();
    assert_eq!(world.request(b).await, Ok(()));
    assert_eq!(world.shared.questions(), asked + 1, "asked once");
    assert_eq!(world.request_now(b), Some(Ok(())));
    assert_eq!(world.shared.questions(), asked + 1, "and trusted again");
}

/// An answer that is on its way when the session is revoked is not kept.
async fn overtaken(revoke: impl AsyncFn(&World, SessionKey)) {
    let world = World::new();
    world.begin_hot("another, so that somebody listens").await;
    let key = world.begin("a").await;
    world.shared.set(Mode::AnswersLate);
    let slow = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    settle().await;
    world.shared.set(Mode::Answers);
    revoke(&world, key).await;
    settle().await;
    world.shared.open_gate();
    assert!(
        slow.await.unwrap().unwrap().is_some(),
        "it was asked before"
    );
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_overtaken_by_a_revocation_here_is_not_kept() {
    overtaken(async |world, key| {
        world.cache.revoke(key, Timestamp::MAX).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_overtaken_by_a_pushed_revocation_is_not_kept() {
    overtaken(async |world, key| {
        world.shared.revoke(key, Timestamp::MAX).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_overtaken_by_missed_announcements_is_not_kept() {
    overtaken(async |world, key| {
        world.revoke_elsewhere(key).await;
        world.shared.announce(Announced::Missed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_asked_while_a_revocation_runs_is_not_kept() {
    let world = World::new();
    world.begin_hot("another, so that somebody listens").await;
    let key = world.begin("a").await;
    // The revocation is on its way to the shared store …
    world.shared.set(Mode::Hangs);
    let mut revoking = Box::pin(world.cache.revoke(key, Timestamp::MAX));
    assert!(now_or_never(&mut revoking).is_none());
    world.shared.set(Mode::Answers);
    assert_eq!(world.request(key).await, Ok(()));
    assert_eq!(world.request_now(key), Some(Ok(())), "kept while it lives");
    // … does its work there, and its caller goes away.
    world.revoke_elsewhere(key).await;
    drop(revoking);
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_issued_anew_is_live_at_once() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    world.cache.revoke(key, Timestamp::MAX).await.unwrap();
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
    // On another node.
    let anew = Activity::began(world.now());
    world
        .shared
        .memory
        .create(key, anew, Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(world.request(key).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_created_anew_is_not_what_it_was() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(500 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    let anew = Activity::began(world.now().saturating_sub(SECOND));
    world.cache.create(key, anew, Timestamp::MAX).await.unwrap();
    assert_eq!(world.cache.load(key).await.unwrap(), Some(anew));
    sleep(2 * FLUSH_EVERY).await;
    assert_eq!(
        world.stored(key).await,
        anew,
        "activity of before is not written"
    );
}

// Activity.

#[tokio::test(start_paused = true)]
async fn activity_is_gathered_and_written_in_sorted_batches() {
    let world = World::new();
    let mut keys = Vec::new();
    for id in 0..50 {
        keys.push(world.begin_hot(&id.to_string()).await);
    }
    sleep(2 * FLUSH_EVERY).await;
    let (asked, written) = (world.shared.questions(), world.shared.batches().len());
    for _ in 0..5 {
        sleep(10 * MILLI).await;
        for &key in &keys {
            world
                .request_now(key)
                .expect("an answer from memory")
                .unwrap();
        }
    }
    let last = world.now();
    sleep(FLUSH_EVERY).await;
    let batches = &world.shared.batches()[written..];
    let [batch] = batches else {
        panic!("{} batches", batches.len())
    };
    keys.sort();
    assert_eq!(batch.iter().map(|(key, _)| *key).collect::<Vec<_>>(), keys);
    assert_eq!(
        world.shared.questions(),
        asked + 50,
        "their checks, no more"
    );
    for key in keys {
        assert_eq!(world.stored(key).await.last_activity(), last);
    }
    sleep(10 * FLUSH_EVERY).await;
    assert_eq!(
        world.shared.batches().len(),
        written + 1,
        "nothing is written twice"
    );
}

#[tokio::test(start_paused = true)]
async fn large_batches_are_cut() {
    let world = World::new();
    let mut keys = Vec::new();
    for id in 0..2_500 {
        keys.push(world.begin_hot(&id.to_string()).await);
    }
    sleep(MILLI).await;
    for key in keys {
        world
            .request_now(key)
            .expect("an answer from memory")
            .unwrap();
    }
    world.cache.flush(10 * SECOND).await.unwrap();
    let batches = world.shared.batches();
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1_000, 1_000, 500]);
    let all: Vec<_> = batches.concat().into_iter().map(|(key, _)| key).collect();
    assert!(all.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn activity_is_written_once_per_touch_every() {
    let policy = Policy::builder()
        .with_touch_every(10 * SECOND)
        .build()
        .unwrap();
    let world = World::with(|builder| builder, policy);
    let key = world.begin_hot("a").await;
    let mut writes = 0;
    let mut last = world.stored(key).await;
    for _ in 0..300 {
        sleep(200 * MILLI).await;
        assert_eq!(world.request(key).await, Ok(()));
        let stored = world.stored(key).await;
        writes += usize::from(stored != last);
        last = stored;
    }
    // In sixty seconds.
    assert!((5..=6).contains(&writes), "{writes}");
    let gathered: usize = world.shared.batches().iter().map(Vec::len).sum();
    assert!(gathered <= 6, "{gathered}");
}

#[tokio::test(start_paused = true)]
async fn no_request_waits_for_a_flush() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(100 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    world.shared.set(Mode::Hangs);
    let cache = world.cache.clone();
    let flush = tokio::spawn(async move { cache.flush(10 * SECOND).await });
    settle().await;
    assert_eq!(world.shared.batches().len(), 1, "a flush is on its way");
    sleep(100 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    assert!(!flush.is_finished());
    flush.abort();
}

#[tokio::test(start_paused = true)]
async fn a_crash_loses_the_activity_of_flush_every_at_most() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    for _ in 0..500 {
        sleep(37 * MILLI).await;
        assert_eq!(world.request(key).await, Ok(()));
        let lost = world
            .now()
            .saturating_duration_since(world.stored(key).await.last_activity());
        assert!(lost <= FLUSH_EVERY + 37 * MILLI, "{lost:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn load_and_begin_include_what_is_gathered() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(100 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    let expected = world.stored(key).await.active_at(world.now());
    assert_eq!(world.cache.load(key).await.unwrap(), Some(expected));
    let other = Activity::began(world.now());
    assert_eq!(
        world.cache.begin(key, other, Timestamp::MAX).await.unwrap(),
        expected
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_flush_includes_what_was_flushed() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(100 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    let active_at = world.now();
    world.shared.set(Mode::AnswersLate);
    let load = tokio::spawn(world.cache.load(key));
    settle().await;
    world.shared.set(Mode::Answers);
    world.cache.flush(10 * SECOND).await.unwrap();
    world.shared.open_gate();
    let loaded = load.await.unwrap().unwrap().expect("a record");
    assert_eq!(loaded.last_activity(), active_at);
    // Nothing is left to be written.
    world.cache.flush(10 * SECOND).await.unwrap();
    assert_eq!(world.shared.batches().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_background_check_is_no_activity() {
    let world = World::with(
        |builder| builder.with_flush_every(10 * SECOND),
        Policy::default(),
    );
    let key = world.begin_hot("a").await;
    let before = world.stored(key).await;
    sleep(REFRESH_AFTER).await;
    let asked = world.shared.questions();
    assert_eq!(world.request_now(key), Some(Ok(())));
    settle().await;
    assert_eq!(world.shared.questions(), asked + 1);
    assert_eq!(world.stored(key).await, before);
}

#[tokio::test(start_paused = true)]
async fn activity_just_before_the_end_is_written_at_once() {
    let policy = Policy::builder().with_idle(10 * SECOND).build().unwrap();
    let world = World::with(|builder| builder.with_max_staleness(20 * SECOND), policy);
    let key = world.begin_hot("a").await;
    sleep(10 * SECOND - MILLI).await;
    assert_eq!(world.request(key).await, Ok(()));
    assert_eq!(world.stored(key).await.last_activity(), world.now());
}

#[tokio::test(start_paused = true)]
async fn a_late_flush_is_judged_as_of_when_it_is_written() {
    let policy = Policy::builder().with_idle(10 * SECOND).build().unwrap();
    let world = World::with(|builder| builder, policy);
    let key = world.begin_hot("a").await;
    sleep(4 * SECOND).await;
    world.shared.set(Mode::Fails);
    assert_eq!(world.request_now(key), Some(Ok(())));
    let before = world.stored(key).await;
    // The store comes back when, as far as anybody else knows, the session has ended.
    sleep(6 * SECOND).await;
    world.shared.set(Mode::Answers);
    sleep(2 * FLUSH_EVERY).await;
    let judged_at = world.shared.batches().last().expect("a flush")[0].1.now();
    assert!(judged_at >= before.last_activity().saturating_add(10 * SECOND));
    assert_eq!(world.stored(key).await, before, "it was not revived");
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Idle))
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_flush_never_revives_what_was_revoked_elsewhere() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(100 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    world.revoke_elsewhere(key).await;
    let revoked = world.stored(key).await;
    world.cache.flush(10 * SECOND).await.unwrap();
    assert_eq!(world.stored(key).await, revoked);
}

#[tokio::test(start_paused = true)]
async fn activity_of_a_session_that_was_seen_to_have_ended_is_dropped() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(100 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    world.shared.revoke(key, Timestamp::MAX).await.unwrap();
    settle().await;
    sleep(2 * FLUSH_EVERY).await;
    assert_eq!(world.shared.batches().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_fails_is_tried_again_with_what_came_since() {
    let world = World::new();
    let (a, b) = (world.begin_hot("a").await, world.begin_hot("b").await);
    world.shared.set(Mode::Fails);
    sleep(100 * MILLI).await;
    world.request_now(a).unwrap().unwrap();
    world.request_now(b).unwrap().unwrap();
    let first = world.now();
    world.cache.flush(10 * SECOND).await.expect_err("it fails");
    sleep(100 * MILLI).await;
    world.request_now(a).unwrap().unwrap();
    let second = world.now();
    world
        .cache
        .flush(10 * SECOND)
        .await
        .expect_err("it fails again");
    world.shared.set(Mode::Answers);
    sleep(FLUSH_EVERY).await;
    assert_eq!(world.stored(a).await.last_activity(), second);
    assert_eq!(world.stored(b).await.last_activity(), first);
}

#[tokio::test(start_paused = true)]
async fn activity_that_comes_during_a_flush_is_written_by_the_next() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(100 * MILLI).await;
    world.request_now(key).unwrap().unwrap();
    world.shared.set(Mode::AnswersLate);
    let cache = world.cache.clone();
    let flush = tokio::spawn(async move { cache.flush(10 * SECOND).await });
    settle().await;
    sleep(100 * MILLI).await;
    world.request_now(key).unwrap().unwrap();
    let last = world.now();
    world.shared.set(Mode::Answers);
    world.shared.open_gate();
    flush.await.unwrap().unwrap();
    world.cache.flush(10 * SECOND).await.unwrap();
    assert_eq!(world.stored(key).await.last_activity(), last);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_hangs_or_panics_ends_nothing_for_good() {
    for mode in [Mode::Hangs, Mode::Panics] {
        let world = World::new();
        let key = world.begin_hot("a").await;
        sleep(500 * MILLI).await;
        world.request_now(key).unwrap().unwrap();
        world.shared.set(mode);
        sleep(FLUSH_EVERY).await;
        assert_eq!(world.shared.batches().len(), 1, "it was tried");
        world.shared.set(Mode::Answers);
        sleep(10 * SECOND).await;
        assert_eq!(world.request(key).await, Ok(()));
        let last = world.now();
        sleep(500 * MILLI).await;
        world
            .request_now(key)
            .expect("an answer from memory")
            .unwrap();
        sleep(2 * FLUSH_EVERY).await;
        assert!(world.stored(key).await.last_activity() > last, "{mode:?}");
        world.shared.revoke(key, Timestamp::MAX).await.unwrap();
        settle().await;
        assert_eq!(
            world.request(key).await,
            Err(Refused::Expired(Reason::Revoked)),
            "{mode:?}"
        );
    }
}

// Failures of the shared store.

#[tokio::test(start_paused = true)]
async fn live_sessions_go_on_for_max_stale_on_error_and_then_it_is_an_error() {
    for mode in [Mode::Fails, Mode::Hangs] {
        let world = World::new();
        let key = world.begin_hot("a").await;
        let verified = Instant::now();
        world.shared.set(mode);
        while verified.elapsed() < MAX_STALE_ON_ERROR - SHARED_TIMEOUT {
            assert_eq!(
                world.request(key).await,
                Ok(()),
                "{mode:?} {:?}",
                verified.elapsed()
            );
            sleep(700 * MILLI).await;
        }
        sleep(SECOND).await;
        let touch = world.policy.touch(world.now());
        let answer = tokio::time::timeout(SECOND, world.cache.touch(key, touch)).await;
        assert!(!matches!(answer, Ok(Ok(_))), "{mode:?} {answer:?}");
        world.shared.set(Mode::Answers);
        assert_eq!(world.request(key).await, Ok(()), "and it is back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_makes_one_request_wait_rather_than_all() {
    let world = World::new();
    let (a, b) = (world.begin_hot("a").await, world.begin_hot("b").await);
    sleep(MAX_STALENESS).await;
    world.shared.set(Mode::Hangs);
    let asked = Instant::now();
    assert_eq!(world.request(a).await, Ok(()));
    assert_eq!(asked.elapsed(), SHARED_TIMEOUT);
    assert_eq!(world.request_now(b), Some(Ok(())));
    assert_eq!(world.request_now(a), Some(Ok(())));
}

#[tokio::test(start_paused = true)]
async fn one_failure_long_ago_does_not_stretch_max_staleness() {
    let world = World::new();
    let (a, b) = (world.begin_hot("a").await, world.begin_hot("b").await);
    world.shared.set(Mode::Fails);
    sleep(REFRESH_AFTER).await;
    assert_eq!(world.request_now(a), Some(Ok(())));
    settle().await;
    world.shared.set(Mode::Answers);
    world.revoke_elsewhere(b).await;
    sleep(MAX_STALENESS).await;
    assert_eq!(
        world.request(b).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_over_does_not_stretch_max_staleness() {
    let world = World::new();
    let (a, b) = (world.begin_hot("a").await, world.begin_hot("b").await);
    sleep(MAX_STALENESS).await;
    world.revoke_elsewhere(b).await;
    world.shared.set(Mode::Fails);
    assert_eq!(world.request(a).await, Ok(()));
    world.shared.set(Mode::Answers);
    assert_eq!(
        world.request(SessionKey::of("c")).await,
        Err(Refused::Expired(Reason::Unknown))
    );
    assert_eq!(
        world.request(b).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_is_never_an_unknown_session() {
    let world = World::new();
    let (key, error) = (
        SessionKey::of("nobody"),
        Err(Refused::Error("the server is down".into())),
    );
    world.shared.set(Mode::Fails);
    assert_eq!(world.request(key).await, error);
    assert_eq!(world.request(key).await, error);
    let down = |error: BoxError| assert_eq!(error.to_string(), "the server is down");
    down(world.cache.load(key).await.unwrap_err());
    down(world.cache.revoke(key, Timestamp::MAX).await.unwrap_err());
    let activity = Activity::began(world.now());
    down(
        world
            .cache
            .create(key, activity, Timestamp::MAX)
            .await
            .unwrap_err(),
    );
    down(
        world
            .cache
            .begin(key, activity, Timestamp::MAX)
            .await
            .unwrap_err(),
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_looks_idle_is_not_refused_while_the_store_fails() {
    let policy = Policy::builder().with_idle(4 * SECOND).build().unwrap();
    let world = World::with(|builder| builder, policy);
    let key = world.begin_hot("a").await;
    world.shared.set(Mode::Fails);
    sleep(4 * SECOND).await;
    assert!(matches!(world.request(key).await, Err(Refused::Error(_))));
}

#[tokio::test(start_paused = true)]
async fn a_known_revocation_holds_while_the_store_fails() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    world.cache.revoke(key, Timestamp::MAX).await.unwrap();
    world.shared.set(Mode::Fails);
    assert!(matches!(world.request(key).await, Err(Refused::Error(_))));
}

#[tokio::test(start_paused = true)]
async fn a_revocation_holds_that_comes_while_a_question_fails() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(MAX_STALENESS).await;
    world.shared.set(Mode::Hangs);
    let request = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    settle().await;
    world.shared.announce(Announced::Revoked(key));
    let answer = tokio::time::timeout(SECOND, request).await;
    assert!(
        answer.is_err(),
        "nothing is left to answer with: {answer:?}"
    );
}

// Life.

#[tokio::test(start_paused = true)]
async fn the_last_clone_to_go_writes_what_is_left_and_ends_the_work() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    settle().await;
    assert_eq!(world.shared.listeners(), 1);
    sleep(100 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    let World { shared, cache, .. } = world;
    let clone = cache.clone();
    drop(cache);
    settle().await;
    assert_eq!(shared.batches().len(), 0);
    drop(clone);
    settle().await;
    assert_eq!(shared.batches().len(), 1);
    assert_eq!(shared.listeners(), 0);
    assert_eq!(
        Arc::strong_count(&shared.script),
        1,
        "nothing is left running"
    );
}

#[test]
fn the_work_starts_again_on_another_runtime() {
    let paused = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let first = paused();
    let world = first.block_on(async { World::new() });
    let key = first.block_on(world.begin_hot("a"));
    drop(first);
    assert_eq!(world.shared.listeners(), 0);
    paused().block_on(async {
        let touch = |at| world.policy.touch(at);
        let at = world.stored(key).await.last_activity();
        // Nobody listened meanwhile, so it is asked first.
        world.revoke_elsewhere(key).await;
        let found = world.cache.touch(key, touch(at)).await.unwrap().unwrap();
        assert!(found.is_revoked());
        assert_eq!(world.shared.listeners(), 1);
    });
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded() {
    for capacity in [1, 100, 2_000] {
        let world = World::with(|builder| builder.with_capacity(capacity), Policy::default());
        let mut first = None;
        for id in 0..3_000 {
            let key = world.begin_hot(&id.to_string()).await;
            first.get_or_insert(key);
            assert!(world.cache.len() <= capacity);
        }
        assert!(world.cache.len() > capacity / 2);
        assert_eq!(
            world.request(first.unwrap()).await,
            Ok(()),
            "one that made room"
        );
        sleep(MAX_STALE_ON_ERROR + 2 * FLUSH_EVERY).await;
        assert_eq!(world.cache.len(), 0, "too old to be given");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gathered_is_bounded_while_it_cannot_be_written() {
    let world = World::with(|builder| builder.with_capacity(10), Policy::default());
    for id in 0..200 {
        world.shared.set(Mode::Answers);
        let key = world.begin_hot(&id.to_string()).await;
        world.shared.set(Mode::Fails);
        sleep(MILLI).await;
        assert_eq!(world.request(key).await, Ok(()));
    }
    let _ = world.cache.flush(10 * SECOND).await;
    let largest = world.shared.batches().iter().map(Vec::len).max();
    assert!(largest <= Some(10), "{largest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_alternates_between_two_nodes_is_never_refused() {
    let policy = Policy::builder()
        .with_idle(5 * SECOND)
        .with_touch_every(SECOND)
        .build()
        .unwrap();
    let one = World::with(|builder| builder, policy);
    let two = World {
        cache: CachedStore::new(one.shared.clone()),
        shared: one.shared.clone(),
        policy,
        start: one.start,
    };
    let key = one.begin_hot("a").await;
    for turn in 0..400 {
        // Up to just under the idle timeout, less what may be lost on the way.
        sleep(Duration::from_millis(turn % 29 * 100)).await;
        let node = if turn % 2 == 0 { &two } else { &one };
        assert_eq!(node.request(key).await, Ok(()), "turn {turn}");
    }
    two.cache.revoke(key, Timestamp::MAX).await.unwrap();
    settle().await;
    assert_eq!(
        one.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let refused = |change: fn(CachedStoreBuilder<Scripted>) -> CachedStoreBuilder<Scripted>| {
        let built = change(CachedStore::builder(Scripted::new())).build();
        built.expect_err("refused").to_string()
    };
    assert!(refused(|b| b.with_refresh_after(Duration::ZERO)).contains("`refresh_after` is zero"));
    assert!(refused(|b| b.with_max_staleness(Duration::ZERO)).contains("`max_staleness` is zero"));
    assert!(
        refused(|b| b.with_max_stale_on_error(Duration::ZERO))
            .contains("`max_stale_on_error` is zero")
    );
    assert!(
        refused(|b| b.with_shared_timeout(Duration::ZERO)).contains("`shared_timeout` is zero")
    );
    assert!(refused(|b| b.with_flush_every(Duration::ZERO)).contains("`flush_every` is zero"));
    assert!(refused(|b| b.with_capacity(0)).contains("`capacity` is zero"));
    assert!(
        refused(|b| b.with_refresh_after(MAX_STALENESS))
            .contains("not shorter than `max_staleness`")
    );
    assert!(
        refused(|b| b.with_max_stale_on_error(4 * SECOND)).contains("shorter than `max_staleness`")
    );
    let longest = CachedStore::builder(Scripted::new())
        .with_max_staleness(Duration::MAX)
        .with_max_stale_on_error(Duration::MAX)
        .with_shared_timeout(Duration::MAX)
        .with_flush_every(Duration::MAX)
        .with_capacity(usize::MAX >> 40);
    longest.build().expect("long, but not refused");
}

#[test]
fn debug_shows_the_settings_and_nothing_of_the_shared_store() {
    let debug = format!("{:?}", CachedStore::new(Scripted::new()));
    assert!(debug.starts_with("CachedStore { settings: "), "{debug}");
    assert!(!debug.contains("Memory"), "{debug}");
}
