//! Tests of answers from memory, and of how old they may be.

use std::time::Duration;

use tokio::time::sleep;
use tower_login_timeout::{ActivityStore, Reason};

use crate::common::scripted::Fault;

use super::world::{
    MAX_STALENESS, MILLI, REFRESH_AFTER, Refused, SECOND, SHARED_TIMEOUT, World, now_or_never,
    settle,
};

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
    world.cache.flush(Duration::from_secs(10)).await.unwrap();
    assert_eq!(world.stored(key).await, before);
}

#[tokio::test(start_paused = true)]
async fn an_aging_answer_is_given_while_one_check_at_a_time_runs() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(REFRESH_AFTER).await;
    world.shared.set_all(Fault::Hangs);
    let asked = world.shared.questions();
    for _ in 0..10 {
        assert_eq!(world.request_now(key), Some(Ok(())));
        settle().await;
    }
    assert_eq!(world.shared.questions(), asked + 1);
    // The check gives up, and the next one may run.
    sleep(SHARED_TIMEOUT).await;
    world.shared.heal();
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
    // There is about one check a second in the background.
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
async fn the_age_of_an_answer_counts_from_the_question() {
    let world = World::new();
    let key = world.begin("a").await;
    world.shared.set_all(Fault::AnswersLate);
    let first = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    sleep(MAX_STALENESS).await;
    world.shared.open_gate();
    first.await.unwrap().unwrap();
    world.shared.heal();
    let asked = world.shared.questions();
    assert_eq!(world.request(key).await, Ok(()));
    assert_eq!(world.shared.questions(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_overtaken_by_a_newer_one_is_not_kept() {
    let world = World::new();
    let key = world.begin("a").await;
    world.shared.set_all(Fault::AnswersLate);
    let slow = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    sleep(3 * SECOND).await;
    world.shared.heal();
    assert_eq!(world.request(key).await, Ok(()));
    world.shared.open_gate();
    slow.await.unwrap().unwrap();
    sleep(MAX_STALENESS - SECOND).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
}
