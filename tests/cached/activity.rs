//! Tests of activity that the cache gathers and writes later.

use std::time::Duration;

use tokio::time::sleep;
use tower_login_timeout::{
    Activity, ActivityStore, Change, Limits, Policy, Reason, SessionKey, Timestamp,
};

use crate::common::scripted::{Fault, Operation};

use super::world::{CHECK_AFTER, FLUSH_EVERY, MILLI, READ_EVERY, Refused, SECOND, World, settle};

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
    assert_eq!(world.shared.questions(), asked, "nothing else is asked");
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
    world.cache.flush(Duration::from_secs(10)).await.unwrap();
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
    // The loop took sixty seconds.
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
    world.shared.set_all(Fault::Hangs);
    let cache = world.cache.clone();
    let flush = tokio::spawn(async move { cache.flush(Duration::from_secs(10)).await });
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
async fn a_change_of_the_session_keeps_activity_that_is_not_written_yet() {
    let world = World::new();
    let here = world.begin_hot("here").await;
    let elsewhere = world.begin_hot("elsewhere").await;
    sleep(3 * FLUSH_EVERY + FLUSH_EVERY / 2).await;
    for key in [here, elsewhere] {
        assert_eq!(world.request_now(key), Some(Ok(())));
    }
    let active_at = world.now();
    let change = Change::set_limits(world.policy, world.now(), Limits::default());
    world.cache.change(here, change).await.unwrap();
    let change = Change::replace_id(world.policy, world.now(), None, SessionKey::of("new"));
    let other = &world.shared.memory;
    other.change(elsewhere, change).await.unwrap();
    // The log of changes may be read before the flush, or after it.
    sleep(2 * FLUSH_EVERY).await;
    for key in [here, elsewhere] {
        assert_eq!(world.stored(key).await.last_activity(), active_at);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_flush_includes_what_was_flushed() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(100 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    let active_at = world.now();
    world.shared.set_all(Fault::AnswersLate);
    let load = tokio::spawn(world.cache.load(key));
    settle().await;
    world.shared.heal();
    world.cache.flush(Duration::from_secs(10)).await.unwrap();
    world.shared.open_gate();
    let loaded = load.await.unwrap().unwrap().expect("a record");
    assert_eq!(loaded.last_activity(), active_at);
    // Nothing is left to write.
    world.cache.flush(Duration::from_secs(10)).await.unwrap();
    assert_eq!(world.shared.batches().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_background_check_is_no_activity() {
    let world = World::with(
        |builder| builder.with_flush_every(300 * SECOND),
        Policy::default(),
    );
    let key = world.begin_hot("a").await;
    let before = world.stored(key).await;
    sleep(CHECK_AFTER).await;
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
    world.shared.set_all(Fault::Fails);
    assert_eq!(world.request_now(key), Some(Ok(())));
    let before = world.stored(key).await;
    // The store works again only after the session has ended for every other node.
    sleep(6 * SECOND).await;
    world.shared.heal();
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
    world.cache.flush(Duration::from_secs(10)).await.unwrap();
    assert_eq!(world.stored(key).await, revoked);
}

#[tokio::test(start_paused = true)]
async fn activity_of_a_session_that_was_seen_to_have_ended_is_dropped() {
    let world = World::new();
    let key = world.begin_hot("a").await;
    sleep(100 * MILLI).await;
    assert_eq!(world.request_now(key), Some(Ok(())));
    world.cache.revoke(key, Timestamp::MAX).await.unwrap();
    sleep(2 * FLUSH_EVERY).await;
    assert_eq!(world.shared.batches().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_fails_is_tried_again_with_what_came_since() {
    let world = World::new();
    let (a, b) = (world.begin_hot("a").await, world.begin_hot("b").await);
    world.shared.set_all(Fault::Fails);
    sleep(100 * MILLI).await;
    world.request_now(a).unwrap().unwrap();
    world.request_now(b).unwrap().unwrap();
    let first = world.now();
    world
        .cache
        .flush(Duration::from_secs(10))
        .await
        .expect_err("it fails");
    sleep(100 * MILLI).await;
    world.request_now(a).unwrap().unwrap();
    let second = world.now();
    world
        .cache
        .flush(Duration::from_secs(10))
        .await
        .expect_err("it fails again");
    world.shared.heal();
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
    world.shared.set_all(Fault::AnswersLate);
    let cache = world.cache.clone();
    let flush = tokio::spawn(async move { cache.flush(Duration::from_secs(10)).await });
    settle().await;
    sleep(100 * MILLI).await;
    world.request_now(key).unwrap().unwrap();
    let last = world.now();
    world.shared.heal();
    world.shared.open_gate();
    flush.await.unwrap().unwrap();
    world.cache.flush(Duration::from_secs(10)).await.unwrap();
    assert_eq!(world.stored(key).await.last_activity(), last);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_hangs_or_panics_ends_nothing_for_good() {
    for fault in [Fault::Hangs, Fault::Panics] {
        let world = World::new();
        let key = world.begin_hot("a").await;
        sleep(500 * MILLI).await;
        world.request_now(key).unwrap().unwrap();
        world.shared.set_all(fault.clone());
        sleep(FLUSH_EVERY).await;
        assert_eq!(world.shared.batches().len(), 1, "it was tried");
        world.shared.heal();
        sleep(10 * SECOND).await;
        for _ in 0..2 {
            assert_eq!(world.request(key).await, Ok(()));
            settle().await;
        }
        let last = world.now();
        sleep(500 * MILLI).await;
        world
            .request_now(key)
            .expect("an answer from memory")
            .unwrap();
        sleep(2 * FLUSH_EVERY).await;
        assert!(world.stored(key).await.last_activity() > last, "{fault:?}");
        world.shared.revoke(key, Timestamp::MAX).await.unwrap();
        sleep(READ_EVERY + MILLI).await;
        assert_eq!(
            world.request(key).await,
            Err(Refused::Expired(Reason::Revoked)),
            "{fault:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn activity_shortly_before_the_end_is_not_lost_to_a_slow_flush() {
    let policy = Policy::builder().with_idle(Duration::from_secs(60));
    let world = World::with(|builder| builder, policy.build().unwrap());
    let key = world.begin_hot("a").await;
    sleep(Duration::from_secs(55)).await;
    world.shared.set(Operation::TouchMany, Fault::Hangs);
    assert_eq!(world.request(key).await, Ok(()));
    // The record would be over by now.
    sleep(Duration::from_secs(6)).await;
    assert_eq!(world.request(key).await, Ok(()));
}
