//! Tests of answers that cross with changes of the session, and of crowds that wait for them.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Change, Limits, Reason, SessionKey, Timestamp,
};

use crate::common::scripted::{Fault, Operation};

use super::world::{MILLI, READ_EVERY, Refused, SHARED_TIMEOUT, World, settle};

type Asked = JoinHandle<Result<Option<Activity>, BoxError>>;

/// Sends a request now.
fn ask(world: &World, key: SessionKey) -> Asked {
    tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())))
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_a_refusal_brings_nothing_back() {
    let world = World::new();
    world
        .begin_hot("another, so that the log is followed")
        .await;
    let key = world.begin("a").await;
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let first = ask(&world, key);
    settle().await;
    // The node that revokes it dies before it can write that to the log.
    world.revoke_elsewhere(key).await;
    world.shared.lose_changes();
    sleep(READ_EVERY + SHARED_TIMEOUT).await;
    world.shared.heal();
    let refused = Err(Refused::Expired(Reason::Revoked));
    assert_eq!(world.request(key).await, refused);
    world.shared.open_gate();
    first.await.unwrap().unwrap();
    settle().await;
    // A poll gathers no activity, so no write would find the revocation.
    let poll = world.policy.touch(world.now()).passive();
    let found = world.cache.touch(key, poll).await.unwrap();
    assert!(found.is_some_and(|found| found.is_revoked()));
}

#[tokio::test(start_paused = true)]
async fn a_request_after_the_log_in_does_not_get_an_answer_of_before() {
    let world = World::new();
    world
        .begin_hot("another, so that the log is followed")
        .await;
    let (here, elsewhere) = (SessionKey::of("here"), SessionKey::of("elsewhere"));
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let before = [ask(&world, here), ask(&world, elsewhere)];
    settle().await;
    let activity = Activity::began(world.now());
    let begun = world.cache.begin(here, activity, Timestamp::MAX).await;
    begun.unwrap();
    let memory = &world.shared.memory;
    memory
        .create(elsewhere, activity, Timestamp::MAX)
        .await
        .unwrap();
    let after = [ask(&world, here), ask(&world, elsewhere)];
    settle().await;
    for _ in 0..8 {
        world.shared.open_gate();
    }
    for request in before {
        request.await.unwrap().unwrap();
    }
    for request in after {
        assert!(request.await.unwrap().unwrap().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_whose_answer_is_out_of_date_asks_together_again() {
    let world = World::new();
    world
        .begin_hot("another, so that the log is followed")
        .await;
    let key = world.begin("a").await;
    sleep(MILLI).await;
    world.shared.set(Operation::Touch, Fault::AnswersLate);
    let before = world.shared.questions();
    let crowd: Vec<_> = (0..1_000).map(|_| ask(&world, key)).collect();
    settle().await;
    assert_eq!(world.shared.questions(), before + 1);
    let limits = Limits::default().with_idle(Duration::from_secs(3600));
    let change = Change::set_limits(world.policy, world.now(), limits.unwrap());
    world.cache.change(key, change).await.unwrap();
    world.shared.open_gate();
    settle().await;
    assert_eq!(world.shared.questions(), before + 2);
    world.shared.open_gate();
    for request in crowd {
        assert!(request.await.unwrap().unwrap().is_some());
    }
}
