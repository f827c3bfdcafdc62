//! Tests of the store that measures another one: it reports each operation, and slow ones.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::scripted::{Fault, Operation, ScriptedStore};
use tokio::time::timeout;
use tower_login_timeout::{
    Activity, ActivityStore, Policy, SessionKey, StoreEvent, TimedStore, Timestamp,
};

const SLOW: Duration = Duration::from_millis(200);
const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

#[tokio::test(start_paused = true)]
async fn each_operation_is_reported_and_slow_ones_again() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let observer = move |event: &StoreEvent<'_>| {
        events.lock().unwrap().push(match event {
            StoreEvent::Timed {
                store,
                operation,
                took,
                ..
            } => ("timed", *store, operation.as_str(), *took),
            StoreEvent::Slow {
                store,
                operation,
                took,
                ..
            } => ("slow", *store, operation.as_str(), *took),
            event => panic!("{event:?}"),
        });
    };
    let scripted = ScriptedStore::default();
    let store = TimedStore::new("main", scripted.clone(), observer).with_slow(SLOW);
    let key = SessionKey::of("sesame");
    let created = store.create(key, Activity::began(NOW), Timestamp::MAX);
    created.await.unwrap();
    scripted.set(Operation::Touch, Fault::Hangs);
    // Nobody waits for the answer any more.
    let touch = store.touch(key, Policy::default().touch(NOW));
    timeout(SLOW, touch).await.unwrap_err();
    scripted.set(Operation::Load, Fault::Hangs);
    timeout(SLOW * 2, store.load(key)).await.unwrap_err();

    let expected = [
        ("timed", "main", "create", Duration::ZERO),
        ("timed", "main", "touch", SLOW),
        ("timed", "main", "load", SLOW * 2),
        ("slow", "main", "load", SLOW * 2),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}
