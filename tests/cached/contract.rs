//! Tests that the near cache keeps the contract of a store, and that broken shared stores are
//! found.

use std::time::Duration;

use tower_login_timeout::{CachedStore, MemoryStore, conformance};

use crate::common::scripted::ScriptedStore;

#[tokio::test]
async fn memory_keeps_the_contract_of_a_shared_store() {
    conformance::check_shared(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_keeps_the_contract_of_a_store() {
    let store = CachedStore::new(MemoryStore::new());
    conformance::check(&store).await;
    conformance::check(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_always_busy_keeps_it_too() {
    let store = CachedStore::builder(MemoryStore::new())
        .with_max_age(Duration::from_nanos(5))
        .with_flush_every(Duration::from_millis(1))
        .build()
        .unwrap();
    for _ in 0..10 {
        conformance::check(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_with_room_for_one_keeps_it_too() {
    let store = CachedStore::builder(MemoryStore::new())
        .with_capacity(1)
        .build()
        .unwrap();
    conformance::check(&store).await;
}

#[tokio::test]
async fn a_store_that_takes_its_time_keeps_it_behind_a_cache_too() {
    let shared = ScriptedStore::default();
    conformance::check(&shared).await;
    conformance::check_shared(&shared).await;
    conformance::check_change_log(&shared, &shared.clone()).await;
    conformance::check(&CachedStore::new(shared)).await;
}

/// Runs a check of a broken shared store and returns its report.
async fn report(check: impl Future<Output = ()> + Send + 'static) -> String {
    let panic = tokio::spawn(check)
        .await
        .expect_err("the fault was not found")
        .into_panic();
    *panic.downcast::<String>().expect("a report")
}

mod broken {
    use super::*;
    use std::future::{Ready, ready};
    use tower_login_timeout::{
        Activity, ActivityStore, Change, Changes, LogPosition, SessionKey, SharedStore, Timestamp,
        Touch, TouchAnswer,
    };

    /// A shared store whose only fault is how it writes batches.
    #[derive(Clone)]
    pub(super) struct Batches(
        pub(super) MemoryStore,
        pub(super) fn(&Vec<(SessionKey, Touch)>) -> usize,
        pub(super) fn(Touch) -> Touch,
    );

    type Answer<T> = Ready<Result<T, std::convert::Infallible>>;

    impl ActivityStore for Batches {
        type Error = std::convert::Infallible;
        type Future<T: Send + 'static> = Answer<T>;

        fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
            self.0.create(key, activity, keep_until)
        }
        fn begin(
            &self,
            key: SessionKey,
            activity: Activity,
            keep_until: Timestamp,
        ) -> Answer<Activity> {
            self.0.begin(key, activity, keep_until)
        }
        fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
            self.0.load(key)
        }
        fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
            self.0.touch(key, touch)
        }
        fn change(&self, key: SessionKey, change: Change) -> Answer<Option<Activity>> {
            self.0.change(key, change)
        }
        fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<Option<Activity>> {
            self.0.revoke(key, keep_until)
        }
    }

    impl SharedStore for Batches {
        fn touch_many(
            &self,
            touches: Vec<(SessionKey, Touch)>,
        ) -> Answer<Vec<TouchAnswer<std::convert::Infallible>>> {
            let some = self.1(&touches);
            let touched = touches.into_iter().take(some).filter_map(|(key, touch)| {
                let Ok(found) = self.0.touch(key, (self.2)(touch)).into_inner();
                Some((key, Ok(found?)))
            });
            ready(Ok(touched.collect()))
        }
        fn changes_since(&self, position: Option<LogPosition>) -> Answer<Changes> {
            self.0.changes_since(position)
        }
    }
}

#[tokio::test]
async fn a_shared_store_that_judges_late_touches_as_of_then_is_found() {
    let judges_then =
        |touch: tower_login_timeout::Touch| touch.policy().touch(touch.last_activity());
    let store = broken::Batches(MemoryStore::new(), Vec::len, judges_then);
    let report = report(async move { conformance::check_shared(&store).await }).await;
    assert!(
        report.contains("\n- touch_many treats each touch as touch does: "),
        "{report}"
    );
}

#[tokio::test]
async fn a_shared_store_that_cuts_large_batches_is_found() {
    let store = broken::Batches(
        MemoryStore::new(),
        |touches| touches.len().min(100),
        |touch| touch,
    );
    let report = report(async move { conformance::check_shared(&store).await }).await;
    assert!(
        report.contains("\n- touch_many takes no touches, and thousands: "),
        "{report}"
    );
}
