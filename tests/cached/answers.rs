//! Tests of answers from memory, and of how old they may be.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_login_timeout::{ActivityStore, Policy, Reason, SessionKey, Timestamp};

use crate::common::scripted::{Fault, Operation};

use super::world::{
    CHECK_AFTER, MAX_AGE, MAX_STALENESS, MILLI, READ_EVERY, Refused, SECOND, SHARED_TIMEOUT, World,
    now_or_never, settle,
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
    sleep(CHECK_AFTER).await;
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
async fn a_session_in_steady_use_is_known_by_what_its_writes_find() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    let asked = world.shared.questions();
    for _ in 0..1_000 {
        sleep(300 * MILLI).await;
        assert_eq!(world.request_now(key), Some(Ok(())));
    }
    assert_eq!(world.shared.questions(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_only_polled_is_checked_once_a_minute_in_the_background() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    let asked = world.shared.questions();
    for _ in 0..300 {
        sleep(2 * SECOND).await;
        let passive = world.policy.touch(world.now()).passive();
        let answer = now_or_never(world.cache.touch(key, passive)).expect("an answer from memory");
        assert!(answer.unwrap().is_some());
        settle().await;
    }
    let checks = world.shared.questions() - asked;
    assert!(
        (10..=13).contains(&checks),
        "{checks} checks in ten minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_good_while_the_log_of_changes_is_followed_and_for_a_minute() {
    for (wait, is_good) in [(MAX_AGE - MILLI, true), (MAX_AGE, false)] {
        let world = World::new();
        let key = world.begin_hot("a").await;
        sleep(wait).await;
        let from_memory = world.request_now(key).is_some();
        assert_eq!(from_memory, is_good, "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_good_for_max_staleness_without_the_log_of_changes() {
    for fault in [Fault::Fails, Fault::Hangs] {
        for (wait, is_good) in [(MAX_STALENESS - MILLI, true), (MAX_STALENESS, false)] {
            let world = World::new();
            world.shared.set(Operation::ChangesSince, fault.clone());
            let key = world.begin_hot("a").await;
            sleep(wait).await;
            let from_memory = world.request_now(key).is_some();
            assert_eq!(from_memory, is_good, "{fault:?} {wait:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_good_again_when_the_log_of_changes_can_be_read_again() {
    let world = World::new();
    let (kept, gone) = (world.begin_hot("a").await, world.begin_hot("b").await);
    world.shared.set(Operation::ChangesSince, Fault::Fails);
    sleep(2 * MAX_STALENESS).await;
    world.revoke_elsewhere(gone).await;
    world.shared.heal();
    sleep(2 * READ_EVERY).await;
    let asked = world.shared.questions();
    assert_eq!(world.request_now(kept), Some(Ok(())));
    assert_eq!(world.shared.questions(), asked);
    assert_eq!(
        world.request(gone).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn many_requests_of_one_session_are_one_question() {
    let world = World::new();
    let key = world.begin("a").await;
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let touch = world.policy.touch(world.now());
        requests.spawn(world.cache.touch(key, touch));
    }
    settle().await;
    assert_eq!(world.shared.questions(), 1);
    world.shared.open_gate();
    while let Some(answer) = requests.join_next().await {
        assert!(answer.unwrap().unwrap().is_some());
    }
    assert_eq!(world.shared.questions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_leaves_no_other_one_waiting() {
    let world = World::new();
    let key = world.begin("a").await;
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let mut first = Box::pin(world.cache.touch(key, world.policy.touch(world.now())));
    assert!(now_or_never(&mut first).is_none());
    let second = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    settle().await;
    drop(first);
    world.shared.open_gate();
    assert!(second.await.unwrap().unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_request_after_a_log_out_gets_no_answer_of_before() {
    let world = World::new();
    let key = world.begin("a").await;
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let first = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    settle().await;
    world.shared.heal();
    world.cache.revoke(key, Timestamp::MAX).await.unwrap();
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
    world.shared.open_gate();
    assert!(!first.await.unwrap().unwrap().unwrap().is_revoked());
}

#[tokio::test(start_paused = true)]
async fn many_questions_at_once_are_few_batches() {
    let world = World::new();
    world
        .begin_hot("another, so that the log is followed")
        .await;
    let mut keys = Vec::new();
    for id in 0..5_000 {
        keys.push(world.begin(&id.to_string()).await);
    }
    let before = world.shared.questions();
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let mut requests = JoinSet::new();
    for &key in &keys {
        requests.spawn(world.cache.touch(key, world.policy.touch(world.now())));
    }
    for _ in 0..10 {
        settle().await;
    }
    let alone = world.shared.questions() - before;
    assert_eq!(alone, 16, "questions at once");
    for _ in 0..alone {
        world.shared.open_gate();
    }
    while let Some(answer) = requests.join_next().await {
        assert!(answer.unwrap().unwrap().is_some());
    }
    assert_eq!(world.shared.questions() - before, alone);
    assert_eq!(world.shared.batches().len(), 5);
    // Activity is written later, with that of others.
    sleep(MILLI).await;
    for &key in &keys {
        assert_eq!(world.request_now(key), Some(Ok(())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_leaves_out_sessions_for_which_nobody_waits_any_more() {
    let world = World::new();
    world
        .begin_hot("another, so that the log is followed")
        .await;
    let mut keys = Vec::new();
    for id in 0..500 {
        keys.push(world.begin(&id.to_string()).await);
    }
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let ask =
        |key: SessionKey| tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    let (alone, gathered) = keys.split_at(16);
    let mut requests: Vec<_> = alone.iter().copied().map(ask).collect();
    settle().await;
    let mut given_up: Vec<_> = gathered.iter().copied().map(ask).collect();
    settle().await;
    requests.extend(given_up.split_off(400));
    for request in given_up {
        request.abort();
    }
    settle().await;
    for _ in alone {
        world.shared.open_gate();
    }
    for request in requests {
        assert!(request.await.unwrap().unwrap().is_some());
    }
    let batches: Vec<_> = world.shared.batches().iter().map(Vec::len).collect();
    assert_eq!(batches, [84]);
}

#[tokio::test(start_paused = true)]
async fn a_click_during_the_question_of_a_poll_is_written() {
    let policy = Policy::builder().with_idle(4 * SECOND).build().unwrap();
    let world = World::with(|builder| builder, policy);
    let key = world.begin_hot("a").await;
    // The session ends soon, so its activity is written at once and not gathered.
    sleep(3 * SECOND).await;
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let touch = world.policy.touch(world.now());
    let poll = tokio::spawn(world.cache.touch(SessionKey::of("a"), touch.passive()));
    settle().await;
    let click = tokio::spawn(world.cache.touch(key, touch));
    settle().await;
    for _ in 0..2 {
        world.shared.open_gate();
    }
    poll.await.unwrap().unwrap();
    click.await.unwrap().unwrap();
    assert_eq!(world.stored(key).await.last_activity(), world.now());
}

#[tokio::test(start_paused = true)]
async fn the_age_of_an_answer_counts_from_the_question() {
    let world = World::new();
    let key = world.begin("a").await;
    world.shared.set_all(Fault::AnswersLate);
    let first = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    sleep(MAX_AGE).await;
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
    world
        .begin_hot("another, so that the log is followed")
        .await;
    let key = world.begin("a").await;
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let slow = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    sleep(3 * SECOND).await;
    world.shared.heal();
    assert_eq!(world.request(key).await, Ok(()));
    world.shared.open_gate();
    slow.await.unwrap().unwrap();
    sleep(MAX_AGE - SECOND).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_question_ends_when_no_caller_waits_for_it() {
    let world = World::new();
    let key = world.begin("a").await;
    sleep(SECOND).await;
    let go = Arc::new(Notify::new());
    world
        .shared
        .set(Operation::Touch, Fault::Waits(Arc::clone(&go)));
    let touch = world.policy.touch(world.now());
    let request = tokio::spawn(world.cache.touch(key, touch));
    settle().await;
    request.abort();
    settle().await;
    go.notify_one();
    settle().await;
    let stored = world.stored(key).await;
    assert_eq!(stored.last_activity(), stored.created_at());
}
