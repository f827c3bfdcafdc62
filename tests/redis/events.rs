//! Tests of the events that a Redis store reports: its server is lost and comes back.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tower_login_timeout::{AnyStore, BoxError, RedisStore, StoreEvent};

use crate::common::redis::{Cluster, one, url};

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

/// The nodes of a Cluster count as one: lost with the first, and up again with the last.
#[tokio::test(flavor = "multi_thread")]
async fn lost_nodes_of_a_cluster_are_reported_together() -> Result<(), BoxError> {
    let mut cluster = Cluster::start(3, 0);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let observer = move |event: &StoreEvent<'_>| {
        events.lock().unwrap().push(match event {
            StoreEvent::Connected { .. } => "connected",
            StoreEvent::Lost { .. } => "lost",
            StoreEvent::Reconnected { .. } => "reconnected",
            event => panic!("{event:?}"),
        });
    };
    let builder = RedisStore::builder().with_observer(observer);
    let _store = builder.connect(&cluster.url()).await?;
    until(|| *seen.lock().unwrap() == ["connected"]).await;
    sleep(Duration::from_millis(1_200)).await;
    cluster.nodes[0].kill();
    cluster.nodes[1].kill();
    sleep(Duration::from_millis(1_200)).await;
    cluster.nodes[0].restart();
    sleep(Duration::from_millis(1_200)).await;
    assert_eq!(*seen.lock().unwrap(), ["connected", "lost"]);
    cluster.nodes[1].restart();
    until(|| *seen.lock().unwrap() == ["connected", "lost", "reconnected"]).await;
    Ok(())
}

async fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "no such event was reported");
        sleep(Duration::from_millis(5)).await;
    }
}
