//! Tests of how soon the cache sees a revocation.

use tokio::time::{Instant, sleep};
use tower_login_timeout::{Activity, ActivityStore, Policy, Reason, SessionKey, Timestamp};

use crate::common::scripted::{Fault, Operation};

use super::world::{
    FLUSH_EVERY, MAX_AGE, MAX_STALENESS, MILLI, READ_EVERY, Refused, SECOND, World, now_or_never,
    settle,
};

#[tokio::test(start_paused = true)]
async fn a_revocation_on_another_node_is_seen_at_the_next_read_of_the_log() {
    let world = World::new();
    for busy in [100 * MILLI, 900 * MILLI, 2 * SECOND, MAX_STALENESS] {
        let key = world.begin_hot(&format!("{busy:?}")).await;
        world.revoke_elsewhere(key).await;
        let revoked = Instant::now();
        while world.request(key).await.is_ok() {
            assert!(revoked.elapsed() <= READ_EVERY, "{busy:?}");
            sleep(busy).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_seen_within_max_staleness_if_the_log_cannot_be_read() {
    let world = World::new();
    world.shared.set(Operation::ChangesSince, Fault::Hangs);
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
async fn a_revocation_by_a_node_that_died_before_it_was_in_the_log_is_seen_within_a_minute() {
    for busy in [100 * MILLI, 900 * MILLI, 7 * SECOND, MAX_AGE] {
        let world = World::new();
        let key = world.begin_hot("a").await;
        world.revoke_elsewhere(key).await;
        world.shared.lose_changes();
        let revoked = Instant::now();
        let mut served = 0;
        loop {
            // A passive request, since activity would ask sooner.
            let passive = world.policy.touch(world.now()).passive();
            let found = world.cache.touch(key, passive).await.unwrap().unwrap();
            if found.is_revoked() {
                break;
            }
            served += 1;
            sleep(busy).await;
            assert!(revoked.elapsed() <= MAX_AGE);
        }
        assert!(served > 0, "the loss of the change was not played");
    }
}

#[tokio::test(start_paused = true)]
async fn the_write_of_activity_finds_a_revocation_that_is_not_in_the_log() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    world.revoke_elsewhere(key).await;
    world.shared.lose_changes();
    sleep(READ_EVERY + MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())), "it is not known yet");
    sleep(FLUSH_EVERY).await;
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn the_log_is_read_once_in_a_while_and_only_while_there_are_sessions() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    world.shared.calls();
    sleep(20 * READ_EVERY).await;
    let reads = world.shared.reads_of_the_log();
    assert!((19..=21).contains(&reads), "{reads}");
    world.cache.revoke(key, Timestamp::MAX).await.unwrap();
    assert!(world.cache.is_empty());
    sleep(20 * READ_EVERY).await;
    assert_eq!(world.shared.reads_of_the_log(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_not_read_to_its_end_confirms_nothing() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    world.shared.break_log_half_way();
    sleep(MAX_STALENESS + MILLI).await;
    assert_eq!(world.request_now(key), None, "it is not served from memory");
    assert_eq!(world.request(key).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_log_is_read_four_times_within_a_short_max_staleness() {
    let world = World::with(
        |builder| builder.with_max_staleness(READ_EVERY),
        Policy::default(),
    );
    world.begin_hot("a").await;
    world.shared.calls();
    sleep(20 * READ_EVERY).await;
    let reads = world.shared.reads_of_the_log();
    assert!((79..=81).contains(&reads), "{reads}");
}

#[tokio::test(start_paused = true)]
async fn a_revocation_through_this_handle_is_seen_when_it_returns() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    let clone = world.cache.clone();
    assert!(clone.revoke(key, Timestamp::MAX).await.unwrap().is_some());
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_cut_makes_every_answer_stale_once() {
    let world = World::new();
    let (a, b) = (world.begin_hot("a").await, world.begin_hot("b").await);
    world.revoke_elsewhere(a).await;
    world.shared.cut_log();
    sleep(READ_EVERY + MILLI).await;
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

/// Checks that an answer is not kept if the session is revoked before the answer arrives.
async fn overtaken(revoke: impl AsyncFn(&World, SessionKey)) {
    let world = World::new();
    world
        .begin_hot("another, so that the log is followed")
        .await;
    let key = world.begin("a").await;
    world.shared.set_all(Fault::AnswersLate);
    let slow = tokio::spawn(world.cache.touch(key, world.policy.touch(world.now())));
    settle().await;
    world.shared.heal();
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
async fn an_answer_overtaken_by_a_read_of_the_log_is_not_kept() {
    overtaken(async |world, key| {
        world.revoke_elsewhere(key).await;
        sleep(READ_EVERY + MILLI).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_overtaken_by_a_cut_of_the_log_is_not_kept() {
    overtaken(async |world, key| {
        world.revoke_elsewhere(key).await;
        world.shared.cut_log();
        sleep(READ_EVERY + MILLI).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_write_of_activity_overtaken_by_a_cut_of_the_log_confirms_nothing() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    world.shared.set(Operation::TouchMany, Fault::AnswersLate);
    sleep(MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    sleep(FLUSH_EVERY).await;
    assert_eq!(world.shared.batches().len(), 1, "it is being written");
    world.shared.heal();
    world.revoke_elsewhere(key).await;
    world.shared.cut_log();
    world.shared.calls();
    while world.shared.reads_of_the_log() == 0 {
        sleep(MILLI).await;
    }
    world.shared.open_gate();
    settle().await;
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_asked_while_a_revocation_runs_is_not_kept() {
    let world = World::new();
    world
        .begin_hot("another, so that the log is followed")
        .await;
    let key = world.begin("a").await;
    // The revocation has been sent to the shared store and is not done yet.
    world.shared.set_all(Fault::Hangs);
    let mut revoking = Box::pin(world.cache.revoke(key, Timestamp::MAX));
    assert!(now_or_never(&mut revoking).is_none());
    world.shared.heal();
    assert_eq!(world.request(key).await, Ok(()));
    assert_eq!(world.request_now(key), Some(Ok(())), "kept while it lives");
    // Now it is done there, and the caller stops waiting for it.
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
    // It is created again on another node.
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
async fn creating_a_session_again_drops_its_old_activity() {
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
