//! Does every store that a text can name keep the contract, and does a near cache in front of it?

#[path = "sql/servers.rs"]
#[allow(dead_code, unreachable_pub)]
mod databases;
mod servers;

use std::time::Duration;

use servers::Folder;
use tower_login_timeout::{AnyStore, CachedStore, Clock, SystemClock, conformance};

async fn keeps_the_contract(kind: &str, url: &str) {
    let store = AnyStore::connect(url).await.unwrap();
    assert_eq!(format!("{store:?}"), format!("AnyStore({kind:?})"));
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
    let difference = store
        .clock()
        .await
        .unwrap()
        .now()
        .as_unix_millis()
        .abs_diff(SystemClock.now().as_unix_millis());
    assert!(difference < 5_000, "{difference}");

    conformance::check(&CachedStore::new(store.clone())).await;
    let busy = CachedStore::builder(store)
        .with_refresh_after(Duration::from_millis(1))
        .with_flush_every(Duration::from_millis(5))
        .build()
        .unwrap();
    conformance::check(&busy).await;
    busy.flush().await.unwrap();
}

/// What is revoked by one node is announced to another.
async fn pushes(url: &str) {
    let (one, two) = (
        AnyStore::connect(url).await.unwrap(),
        AnyStore::connect(url).await.unwrap(),
    );
    conformance::check_push(&one, &two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    let folder = Folder::new("any-sqlite");
    let url = format!("sqlite:{}/sessions.db", folder.path().display());
    keeps_the_contract("sqlite", &url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql() {
    let server = databases::start_postgresql();
    let url = databases::postgresql_url(server.port());
    keeps_the_contract("postgres", &url).await;
    pushes(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb() {
    let server = databases::start_mariadb();
    keeps_the_contract("mysql", &databases::mariadb_url(server.port())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis() {
    let server = servers::redis::one();
    let url = servers::redis::url(&server);
    keeps_the_contract("redis", &url).await;
    pushes(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_behind_sentinels() {
    let watched = servers::redis::Watched::start();
    let url = watched.url();
    keeps_the_contract("redis", &url).await;
    pushes(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_cluster() {
    let cluster = servers::redis::Cluster::start(3, 0);
    let url = cluster.url();
    keeps_the_contract("redis", &url).await;
    pushes(&url).await;
}
