//! Tests of the events that a near cache reports: a log of changes that is cut or cannot be read,
//! and a flush that fails.

use std::sync::{Arc, Mutex};

use tokio::time::sleep;
use tower_login_timeout::{Policy, SessionKey, StoreEvent};

use super::world::{FLUSH_EVERY, MAX_STALENESS, MILLI, READ_EVERY, SECOND, World, settle};
use crate::common::scripted::{Fault, Operation};

type Seen = Arc<Mutex<Vec<&'static str>>>;

/// Creates a near cache, and the list of the events that it reports.
fn observed() -> (World, Seen) {
    let seen = Seen::default();
    let events = Arc::clone(&seen);
    let observer = move |event: &StoreEvent<'_>| {
        events.lock().unwrap().push(match event {
            StoreEvent::ChangeLogBehind { by, .. } => {
                assert!((MAX_STALENESS..MAX_STALENESS * 2).contains(by), "{by:?}");
                "behind"
            }
            StoreEvent::ChangeLogCut => "cut",
            StoreEvent::FlushFailed { error, .. } => {
                assert!(error.source().is_some(), "{error}");
                "flush failed"
            }
            StoreEvent::Cache { .. } => return,
            event => panic!("{event:?}"),
        });
    };
    let world = World::with(|builder| builder.with_observer(observer), Policy::default());
    (world, seen)
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_from_memory_is_reported_with_each_flush() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let observer = move |event: &StoreEvent<'_>| match event {
        StoreEvent::Cache {
            hits,
            misses,
            sessions,
            log_age,
            ..
        } => events
            .lock()
            .unwrap()
            .push((*hits, *misses, *sessions, *log_age)),
        event => panic!("{event:?}"),
    };
    let world = World::with(|builder| builder.with_observer(observer), Policy::default());
    let reports = || seen.lock().unwrap().drain(..).collect::<Vec<_>>();
    let nobody = SessionKey::of("nobody");
    assert!(world.request(nobody).await.is_err());
    sleep(FLUSH_EVERY + MILLI).await;
    assert_eq!(reports(), [(0, 1, 0, None)]);
    let key = world.begin_hot("a").await;
    for _ in 0..10 {
        world.request(key).await.unwrap();
    }
    sleep(FLUSH_EVERY).await;
    let all = reports();
    let [(10.., 1.., 1, Some(age))] = all[..] else {
        panic!("{all:?}");
    };
    assert!(age <= 2 * READ_EVERY + MILLI, "{age:?}");
    sleep(FLUSH_EVERY).await;
    assert!(matches!(reports()[..], [(0, 0, 1, Some(_))]));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_cut_is_reported_and_its_first_read_is_not() {
    let (world, seen) = observed();
    world.begin_hot("a").await;
    sleep(READ_EVERY * 3).await;
    assert!(seen.lock().unwrap().is_empty());
    world.shared.cut_log();
    sleep(READ_EVERY * 3).await;
    assert_eq!(*seen.lock().unwrap(), ["cut"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_is_reported_once_until_it_was_read() {
    let (world, seen) = observed();
    world.begin_hot("a").await;
    for round in 1..=2 {
        world.shared.set(Operation::ChangesSince, Fault::Fails);
        sleep(MAX_STALENESS - SECOND).await;
        assert_eq!(seen.lock().unwrap().len(), round - 1, "too early");
        sleep(MAX_STALENESS * 3).await;
        assert_eq!(seen.lock().unwrap().len(), round);
        world.shared.heal();
        sleep(READ_EVERY * 3).await;
    }
    assert_eq!(*seen.lock().unwrap(), ["behind", "behind"]);
}

#[tokio::test(start_paused = true)]
async fn each_flush_that_fails_is_reported() {
    let (world, seen) = observed();
    let key = world.begin_hot("a").await;
    world.shared.set(Operation::TouchMany, Fault::Fails);
    sleep(SECOND / 2).await;
    world.request(key).await.unwrap();
    sleep(FLUSH_EVERY).await;
    settle().await;
    assert_eq!(*seen.lock().unwrap(), ["flush failed"]);
    world.cache.flush(SECOND).await.unwrap_err();
    assert_eq!(*seen.lock().unwrap(), ["flush failed", "flush failed"]);
    world.shared.heal();
    world.cache.flush(SECOND).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}
