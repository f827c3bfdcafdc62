//! Tests of refusals: the cache asks the shared store before it refuses a session.

use tokio::time::sleep;
use tower_login_timeout::{
    Activity, ActivityStore, CachedStore, MemoryStore, Policy, Reason, SessionKey, Timestamp,
};

use crate::common::scripted::ScriptedStore;

use super::world::{MAX_AGE, MILLI, Refused, SECOND, World};

#[tokio::test(start_paused = true)]
async fn an_unknown_session_is_asked_about_each_time() {
    let world = World::new();
    let key = SessionKey::of("nobody");
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Unknown))
    );
    // The session begins on another node.
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
async fn a_session_that_the_shared_store_has_lost_is_unknown_within_a_minute() {
    let mut world = World::new();
    world.shared = ScriptedStore::over(MemoryStore::with_capacity(1));
    world.cache = CachedStore::new(world.shared.clone());
    let key = world.begin_hot("a").await;
    world.begin("another, which takes its place").await;
    assert_eq!(world.shared.memory.load(key).await.unwrap(), None);
    sleep(MAX_AGE).await;
    assert_eq!(
        world.request(key).await,
        Err(Refused::Expired(Reason::Unknown))
    );
}
