//! Test that an answer from memory allocates nothing.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tower_login_timeout::{
    Activity, ActivityStore, CachedStore, MemoryStore, Policy, SessionKey, Timestamp,
};

#[tokio::test(start_paused = true)]
async fn an_answer_from_memory_allocates_nothing() {
    let store = CachedStore::new(MemoryStore::new());
    let (key, policy) = (SessionKey::of("a"), Policy::default());
    let began = Timestamp::from_unix_millis(1_700_000_000_000);
    store
        .create(key, Activity::began(began), Timestamp::MAX)
        .await
        .unwrap();
    let request = |millis| {
        let touch = policy.touch(began.saturating_add(Duration::from_millis(millis)));
        let answer = pin!(store.touch(key, touch)).poll(&mut Context::from_waker(Waker::noop()));
        matches!(answer, Poll::Ready(Ok(Some(_))))
    };
    // The first request starts to follow the log of changes.
    store.touch(key, policy.touch(began)).await.unwrap();
    tokio::task::yield_now().await;
    store.touch(key, policy.touch(began)).await.unwrap();
    // The first activity allocates the list of activity that is to be written.
    assert!(request(1));
    let allocated = allocation_counter::measure(|| assert!((2..1_000).all(request)));
    assert_eq!(allocated.count_total, 0);
}
