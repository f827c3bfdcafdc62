//! Tests of the background work, the bounds and the settings of the cache.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tower_login_timeout::{
    ActivityStore, CachedStore, CachedStoreBuilder, Policy, Reason, Timestamp,
};

use crate::common::scripted::{Fault, ScriptedStore};

use super::world::{
    FLUSH_EVERY, MAX_AGE, MAX_STALE_ON_ERROR, MILLI, READ_EVERY, Refused, SECOND, World, settle,
};

#[tokio::test(start_paused = true)]
async fn the_last_clone_to_go_writes_what_is_left_and_ends_the_work() {
    let world = World::new();
    let key = world.begin_hot("a").await;
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
    paused().block_on(async {
        let touch = |at| world.policy.touch(at);
        let at = world.stored(key).await.last_activity();
        // Nothing followed the log of changes in between, so the cache asks the store first.
        world.revoke_elsewhere(key).await;
        let found = world.cache.touch(key, touch(at)).await.unwrap().unwrap();
        assert!(found.is_revoked());
        assert_eq!(world.shared.reads_of_the_log(), 2, "once on each runtime");
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
        sleep(MAX_AGE + MAX_STALE_ON_ERROR + 2 * FLUSH_EVERY).await;
        assert_eq!(world.cache.len(), 0, "too old to be given");
    }
}

#[tokio::test(start_paused = true)]
async fn unwritten_activity_is_bounded() {
    let world = World::with(|builder| builder.with_capacity(10), Policy::default());
    for id in 0..200 {
        world.shared.heal();
        let key = world.begin_hot(&id.to_string()).await;
        world.shared.set_all(Fault::Fails);
        sleep(MILLI).await;
        assert_eq!(world.request(key).await, Ok(()));
    }
    let _ = world.cache.flush(Duration::from_secs(10)).await;
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
        // The pause is shorter than the idle timeout, by what may be lost on the way.
        sleep(Duration::from_millis(turn % 29 * 100)).await;
        let node = if turn % 2 == 0 { &two } else { &one };
        assert_eq!(node.request(key).await, Ok(()), "turn {turn}");
    }
    two.cache.revoke(key, Timestamp::MAX).await.unwrap();
    sleep(READ_EVERY).await;
    assert_eq!(
        one.request(key).await,
        Err(Refused::Expired(Reason::Revoked))
    );
}

#[test]
fn impossible_settings_are_refused() {
    let refused =
        |change: fn(CachedStoreBuilder<ScriptedStore>) -> CachedStoreBuilder<ScriptedStore>| {
            let built = change(CachedStore::builder(ScriptedStore::default())).build();
            built.expect_err("refused").to_string()
        };
    assert!(refused(|b| b.with_max_age(Duration::ZERO)).contains("`max_age` is zero"));
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
        refused(|b| b.with_max_stale_on_error(4 * SECOND)).contains("shorter than `max_staleness`")
    );
    let longest = CachedStore::builder(ScriptedStore::default())
        .with_max_staleness(Duration::MAX)
        .with_max_age(Duration::MAX)
        .with_max_stale_on_error(Duration::MAX)
        .with_shared_timeout(Duration::MAX)
        .with_flush_every(Duration::MAX)
        .with_capacity(usize::MAX >> 40);
    longest.build().expect("long, but not refused");
}

#[test]
fn debug_shows_the_settings_and_nothing_of_the_shared_store() {
    let debug = format!("{:?}", CachedStore::new(ScriptedStore::default()));
    assert!(debug.starts_with("CachedStore { settings: "), "{debug}");
    assert!(!debug.contains("Memory"), "{debug}");
}
