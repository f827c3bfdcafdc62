//! Tests of the cache while the shared store fails or hangs.

use std::error::Error;

use tokio::time::{Instant, sleep};
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, CachedStore, Policy, Reason, SessionKey, Timestamp,
};

use crate::common::scripted::{Fault, Operation, ScriptedStore};

use super::world::{
    FLUSH_EVERY, MAX_STALE_ON_ERROR, MAX_STALENESS, MILLI, READ_EVERY, Refused, SECOND,
    SHARED_TIMEOUT, World, settle,
};

#[tokio::test(start_paused = true)]
async fn live_sessions_go_on_for_max_stale_on_error_and_then_it_is_an_error() {
    for fault in [Fault::Fails, Fault::Hangs] {
        let world = World::new();
        let key = world.begin_hot("a").await;
        let verified = Instant::now();
        world.shared.set_all(fault.clone());
        while verified.elapsed() < MAX_STALE_ON_ERROR - SHARED_TIMEOUT {
            assert_eq!(
                world.request(key).await,
                Ok(()),
                "{fault:?} {:?}",
                verified.elapsed()
            );
            sleep(700 * MILLI).await;
        }
        sleep(SECOND).await;
        let touch = world.policy.touch(world.now());
        let answer = tokio::time::timeout(SECOND, world.cache.touch(key, touch)).await;
        assert!(!matches!(answer, Ok(Ok(_))), "{fault:?} {answer:?}");
        world.shared.heal();
        assert_eq!(world.request(key).await, Ok(()), "and it is back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_makes_one_request_wait_rather_than_all() {
    let world = World::new();
    let (a, b) = (world.begin_hot("a").await, world.begin_hot("b").await);
    world.shared.set(Operation::ChangesSince, Fault::Hangs);
    sleep(MAX_STALENESS + READ_EVERY).await;
    world.shared.set_all(Fault::Hangs);
    let asked = Instant::now();
    assert_eq!(world.request(a).await, Ok(()));
    assert_eq!(asked.elapsed(), SHARED_TIMEOUT);
    assert_eq!(world.request_now(b), Some(Ok(())));
    assert_eq!(world.request_now(a), Some(Ok(())));
}

#[tokio::test(start_paused = true)]
async fn one_failure_long_ago_does_not_stretch_max_staleness() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    world.shared.set(Operation::ChangesSince, Fault::Fails);
    sleep(MAX_STALENESS / 2).await;
    world.shared.set(Operation::Touch, Fault::Fails);
    let unknown = world.request(SessionKey::of("nobody")).await;
    assert!(matches!(unknown, Err(Refused::Error(_))));
    world.shared.set(Operation::Touch, Fault::Yields);
    world.revoke_elsewhere(key).await;
    sleep(MAX_STALENESS).await;
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_over_does_not_stretch_max_staleness() {
    let world = World::new();
    let (a, b) = (world.begin_hot("a").await, world.begin_hot("b").await);
    world.shared.set(Operation::ChangesSince, Fault::Fails);
    sleep(MAX_STALENESS + READ_EVERY).await;
    world.revoke_elsewhere(b).await;
    world.shared.set_all(Fault::Fails);
    assert_eq!(world.request(a).await, Ok(()));
    world.shared.heal();
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
    world.shared.set_all(Fault::Fails);
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
    world.shared.set_all(Fault::Fails);
    sleep(4 * SECOND).await;
    assert!(matches!(world.request(key).await, Err(Refused::Error(_))));
}

#[tokio::test(start_paused = true)]
async fn a_known_revocation_holds_while_the_store_fails() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    world.cache.revoke(key, Timestamp::MAX).await.unwrap();
    world.shared.set_all(Fault::Fails);
    assert!(matches!(world.request(key).await, Err(Refused::Error(_))));
}

#[tokio::test(start_paused = true)]
async fn a_revocation_holds_that_comes_while_a_question_fails() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    world.shared.set(Operation::ChangesSince, Fault::Hangs);
    sleep(MAX_STALENESS + READ_EVERY).await;
    world.shared.set(Operation::Touch, Fault::Hangs);
    let request = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    settle().await;
    world.cache.revoke(key, Timestamp::MAX).await.unwrap();
    let answer = tokio::time::timeout(SECOND, request).await;
    assert!(
        answer.is_err(),
        "nothing is left to answer with: {answer:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hung_is_asked_again_by_every_session() {
    let world = World::new();
    world.begin_hot("first").await;
    let mut keys = Vec::new();
    for id in 0..200 {
        keys.push(world.begin(&id.to_string()).await);
    }
    // More sessions than questions at once, so that some are asked in batches. Each turn begins one
    // that hangs.
    world.shared.set_all(Fault::Hangs);
    for _ in 0..20 {
        let touch = |key: &SessionKey| world.cache.touch(*key, world.policy.touch(world.now()));
        let requests: Vec<_> = keys.iter().map(touch).map(tokio::spawn).collect();
        sleep(SECOND).await;
        for request in &requests {
            request.abort();
        }
        sleep(MILLI).await;
    }
    world.shared.heal();
    for key in keys {
        let answer = tokio::time::timeout(SECOND, world.request(key)).await;
        assert_eq!(answer, Ok(Ok(())));
    }
}

/// A store may lose one of several servers.
#[tokio::test(start_paused = true)]
async fn a_record_that_is_lost_does_not_fail_the_others_of_its_flush() {
    let world = World::new();
    let (lost, other) = (
        world.begin_hot("lost").await,
        world.begin_hot("other").await,
    );
    sleep(2 * FLUSH_EVERY).await;
    let clicked = world.now();
    for key in [lost, other] {
        assert_eq!(world.request(key).await, Ok(()));
    }
    world.shared.lose(lost);
    let before = world.shared.batches().len();
    let error = world.cache.flush(SECOND).await.unwrap_err();
    assert!(error.source().is_some(), "{error}");
    assert_eq!(
        world.shared.batches().len(),
        before + 1,
        "nothing to divide"
    );
    assert_eq!(world.stored(other).await.last_activity(), clicked);
    assert!(world.stored(lost).await.last_activity() < clicked);
    world.shared.heal();
    world.cache.flush(SECOND).await.unwrap();
    assert_eq!(world.stored(lost).await.last_activity(), clicked);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_lost_does_not_fail_the_other_questions_of_its_batch() {
    let world = World::new();
    world
        .begin_hot("another, so that the log is followed")
        .await;
    let mut keys = Vec::new();
    for id in 0..100 {
        keys.push(world.begin(&id.to_string()).await);
    }
    let lost = keys[50];
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let ask =
        |key: &SessionKey| tokio::spawn(world.cache.touch(*key, world.policy.touch(world.now())));
    let requests: Vec<_> = keys.iter().map(ask).collect();
    settle().await;
    world.shared.lose(lost);
    for _ in 0..16 {
        world.shared.open_gate();
    }
    for (key, request) in keys.iter().zip(requests) {
        let answer = request.await.unwrap();
        assert_eq!(answer.is_err(), *key == lost, "{answer:?}");
    }
    assert_eq!(world.shared.batches().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_lost_does_not_let_others_be_served_for_longer() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    let lost = world.begin("lost").await;
    world.shared.lose(lost);
    // The failure comes shortly before a read of the log.
    world.shared.reads_of_the_log();
    while world.shared.reads_of_the_log() == 0 {
        sleep(MILLI).await;
    }
    sleep(READ_EVERY - 10 * MILLI).await;
    let unknown = world.request(lost).await;
    assert!(matches!(unknown, Err(Refused::Error(_))));
    world.shared.cut_log();
    world.revoke_elsewhere(key).await;
    sleep(20 * MILLI).await;
    assert!(world.shared.reads_of_the_log() > 0);
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[test]
fn runtimes_that_are_shut_down_leave_the_cache_usable() {
    let shared = ScriptedStore::default();
    let cache = CachedStore::new(shared.clone());
    let touch = Policy::default().touch(Timestamp::from_unix_millis(1_700_000_000_000));
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    // Each leaves questions that wait for a batch.
    shared.set_all(Fault::Hangs);
    for round in 0..20 {
        runtime().block_on(async {
            for number in 0..200 {
                let key = SessionKey::of(format!("{round} {number}"));
                tokio::spawn(cache.touch(key, touch));
            }
            settle().await;
        });
    }
    shared.heal();
    let answer = runtime().block_on(async {
        let question = cache.touch(SessionKey::of("new"), touch);
        tokio::time::timeout(5 * SECOND, question).await
    });
    assert!(answer.is_ok(), "no question is asked any more");
}
