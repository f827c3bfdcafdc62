//! Tests of the memory store: its size is bounded, and old records leave in time.

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::site::{IDLE, MILLISECOND};
use tower_login_timeout::{
    Activity, ActivityStore, Limits, MemoryStore, Policy, SessionKey, StoreEvent, Timestamp,
    UserKey, UserLink, UserStore,
};

const START: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

fn policy() -> Policy {
    common::site::policy()
        .with_remember_expired_for(IDLE)
        .build()
        .unwrap()
}

fn key(number: usize) -> SessionKey {
    SessionKey::of(number.to_string())
}

async fn create(store: &MemoryStore, number: usize, at: Timestamp) {
    let activity = Activity::began(at);
    store
        .create(key(number), activity, policy().keep_until(&activity))
        .await
        .unwrap();
}

/// Sends requests for one live session, enough for one whole round of removals.
async fn some_traffic(store: &MemoryStore, mut now: Timestamp) -> Timestamp {
    let live = key(usize::MAX);
    let activity = Activity::began(now);
    store.create(live, activity, Timestamp::MAX).await.unwrap();
    for _ in 0..70_000 {
        now = now.saturating_add(MILLISECOND);
        store.touch(live, policy().touch(now)).await.unwrap();
    }
    now
}

#[tokio::test]
async fn memory_returns_to_its_start_after_a_million_sessions_expired() {
    let store = MemoryStore::with_capacity(2_000_000);
    for number in 0..1_000_000 {
        create(&store, number, START).await;
    }
    assert_eq!(store.len(), 1_000_000);
    let kept = START.saturating_add(IDLE * 2 - MILLISECOND * 71_000);
    some_traffic(&store, kept).await;
    assert_eq!(store.len(), 1_000_001, "removed before their time");
    some_traffic(&store, START.saturating_add(IDLE * 3)).await;
    assert_eq!(store.len(), 1, "not removed after their time");
}

#[tokio::test]
async fn a_clock_that_was_ahead_does_not_stop_the_removals() {
    let store = MemoryStore::with_capacity(100_000);
    let ahead = START.saturating_add(Duration::from_secs(86_400 * 365));
    store.touch(key(0), policy().touch(ahead)).await.unwrap();
    for number in 0..10_000 {
        create(&store, number, START).await;
    }
    some_traffic(&store, START.saturating_add(IDLE * 3)).await;
    assert_eq!(store.len(), 1);
}

#[tokio::test]
async fn an_expired_session_is_remembered_for_a_while_and_then_forgotten() {
    let store = MemoryStore::with_capacity(1_000);
    create(&store, 1, START).await;
    let ended = START.saturating_add(IDLE);
    some_traffic(&store, ended.saturating_sub(MILLISECOND * 20_000)).await;
    assert!(store.load(key(1)).await.unwrap().is_some());
    some_traffic(&store, ended.saturating_add(IDLE * 2)).await;
    assert_eq!(store.load(key(1)).await.unwrap(), None);
}

#[tokio::test]
async fn the_capacity_is_never_exceeded() {
    for capacity in [0, 1, 2, 7, 300, 5_000] {
        let store = MemoryStore::with_capacity(capacity);
        for number in 0..capacity * 2 + 10 {
            create(&store, number, START).await;
            assert!(store.len() <= capacity.max(1));
            assert!(
                store.load(key(number)).await.unwrap().is_some(),
                "the newcomer is kept"
            );
        }
        assert_eq!(store.len(), store.capacity());
    }
}

#[tokio::test]
async fn the_longest_idle_session_is_removed_first() {
    let store = MemoryStore::with_capacity(1_000);
    for number in 0..1_000 {
        create(&store, number, START).await;
    }
    let later = START.saturating_add(IDLE / 2);
    for number in 0..500 {
        store
            .touch(key(number), policy().touch(later))
            .await
            .unwrap();
    }
    for number in 1_000..1_250 {
        create(&store, number, later).await;
    }
    let mut kept: HashMap<&str, usize> = HashMap::new();
    for number in 0..1_000 {
        if store.load(key(number)).await.unwrap().is_some() {
            *kept
                .entry(if number < 500 { "active" } else { "idle" })
                .or_default() += 1;
        }
    }
    // Removing records at random would leave about 400 of each.
    assert!(kept["active"] > 450, "{kept:?}");
    assert!(kept["idle"] < 330, "{kept:?}");
}

#[tokio::test]
async fn own_limits_are_removed_with_their_sessions() {
    let store = MemoryStore::with_capacity(10);
    let limits = Limits::default().with_idle(Duration::MAX).unwrap();
    let activity = Activity::began(START).with_limits(limits);
    for number in 0..1_000 {
        store
            .create(key(number), activity, Timestamp::MAX)
            .await
            .unwrap();
    }
    create(&store, 999, START).await;
    let plain = store.load(key(999)).await.unwrap().unwrap();
    assert_eq!(plain.limits(), Limits::default());
    assert_eq!(store.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creations_and_removals_keep_the_count_right() {
    let store = MemoryStore::with_capacity(500);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let store = store.clone();
        tasks.spawn(async move {
            for number in 0..5_000 {
                let at = START.saturating_add(Duration::from_secs(number as u64));
                create(&store, number * 4 + task, at).await;
                assert!(store.len() <= 500 + 4, "{}", store.len());
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert!(store.len() <= 500);
    let mut found = 0;
    for number in 0..20_000 {
        found += usize::from(store.load(key(number)).await.unwrap().is_some());
    }
    assert_eq!(found, store.len());
}

#[tokio::test]
async fn an_eviction_is_reported_if_the_session_may_have_been_live() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let builder = MemoryStore::builder().with_capacity(1);
    let builder = builder.with_observer(move |event: &StoreEvent<'_>| match event {
        StoreEvent::Evicted { evicted, .. } => events.lock().unwrap().push(*evicted),
        StoreEvent::Held { .. } => {}
        event => panic!("{event:?}"),
    });
    let store = builder.build();
    create(&store, 0, START).await;
    create(&store, 1, START).await;
    create(&store, 2, START).await;
    assert_eq!(*seen.lock().unwrap(), [1, 2]);

    // The time of the one that goes is over.
    let later = START.saturating_add(IDLE * 3);
    create(&store, 3, later).await;
    // The one that goes is revoked.
    store.revoke(key(3), Timestamp::MAX).await.unwrap();
    create(&store, 4, later).await;
    assert_eq!(store.load(key(3)).await.unwrap(), None);
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
}

#[tokio::test]
async fn how_many_sessions_there_are_is_reported_while_there_is_traffic() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let builder = MemoryStore::builder().with_observer(move |event: &StoreEvent<'_>| match event {
        StoreEvent::Held { sessions, .. } => events.lock().unwrap().push(*sessions),
        event => panic!("{event:?}"),
    });
    let store = builder.build();
    for number in 0..10 {
        create(&store, number, START).await;
    }
    let minute = Duration::from_secs(60);
    let touch = policy().touch(START.saturating_add(minute));
    store.touch(key(0), touch).await.unwrap();
    assert_eq!(seen.lock().unwrap().last(), Some(&10));
}

#[tokio::test]
async fn a_link_that_is_written_again_takes_the_place_of_no_other() {
    const CAPACITY: usize = 100;
    let store = MemoryStore::with_capacity(CAPACITY);
    let user = UserKey::from_bytes([1; 16]);
    let link = |number| {
        let keep_until = START.saturating_add(IDLE * number as u32);
        store.link(user, UserLink::new(key(number), START, ""), keep_until)
    };
    for number in 1..=CAPACITY {
        link(number).await.unwrap();
    }
    for number in [50, CAPACITY] {
        link(number).await.unwrap();
    }
    assert_eq!(store.links_of(user).await.unwrap().len(), CAPACITY);
    link(CAPACITY + 1).await.unwrap();
    assert_eq!(store.links_of(user).await.unwrap().len(), CAPACITY);
    assert_eq!(store.link_of(key(1)).await.unwrap(), None);
}
