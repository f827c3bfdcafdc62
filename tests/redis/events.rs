//! Tests of the events that a Redis store reports: its server is lost and comes back.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tower_login_timeout::{AnyStore, BoxError, StoreEvent};

use crate::common::redis::{one, url};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_reported_as_lost_and_then_as_reconnected() -> Result<(), BoxError> {
    let mut server = one();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let observer = move |event: &StoreEvent<'_>| {
        events.lock().unwrap().push(match event {
            StoreEvent::Connected { store, .. } => (*store, Some(Duration::ZERO)),
            StoreEvent::Lost { store, .. } => (*store, None),
            StoreEvent::Reconnected { store, away, .. } => (*store, Some(*away)),
            event => panic!("{event:?}"),
        });
    };
    let store = AnyStore::builder()
        .with_observer(observer)
        .connect(&url(&server))
        .await?;
    store.ready().await?;
    assert_eq!(
        seen.lock().unwrap().drain(..).collect::<Vec<_>>(),
        [("redis", Some(Duration::ZERO))],
        "it is connected"
    );

    for round in 1..=2 {
        // The store forgets earlier failures when a connection was up for a second.
        sleep(Duration::from_millis(1_200)).await;
        server.kill();
        until(|| seen.lock().unwrap().len() == 2 * round - 1).await;
        sleep(Duration::from_millis(500)).await;
        server.restart();
        until(|| seen.lock().unwrap().len() == 2 * round).await;
        store.ready().await?;
    }
    let seen = seen.lock().unwrap();
    for outage in seen.chunks(2) {
        let [("redis", None), ("redis", Some(away))] = outage else {
            panic!("{seen:?}");
        };
        assert!(*away >= Duration::from_millis(500), "{away:?}");
    }
    Ok(())
}

async fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "no such event was reported");
        sleep(Duration::from_millis(5)).await;
    }
}
