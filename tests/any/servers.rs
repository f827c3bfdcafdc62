//! Tests of every store that a text can name, against real servers, with and without a near cache.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tower_login_timeout::{
    Activity, ActivityStore, AnyStore, CachedStore, Clock, Policy, SessionKey, SystemClock,
    conformance,
};

use crate::common::servers::Folder;
use crate::common::{databases, redis};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

async fn keeps_the_contract(kind: &str, url: &str) {
    let store = AnyStore::connect(url).await.unwrap();
    assert_eq!(format!("{store:?}"), format!("AnyStore({kind:?})"));
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
    conformance::check_users(&store).await;
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
        .with_max_age(Duration::from_millis(1))
        .with_flush_every(Duration::from_millis(5))
        .build()
        .unwrap();
    conformance::check(&busy).await;
    conformance::check_users(&busy).await;
    busy.flush(10 * SECOND).await.unwrap();
}

/// Checks that one node reads in the log what another one changes.
async fn logs_changes(url: &str) {
    let (one, two) = (
        AnyStore::connect(url).await.unwrap(),
        AnyStore::connect(url).await.unwrap(),
    );
    conformance::check_change_log(&one, &two).await;
    conformance::check_users_change_log(&one, &two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() {
    let folder = Folder::new("any-sqlite");
    let url = format!("sqlite:{}/sessions.db", folder.path().display());
    keeps_the_contract("sqlite", &url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_the_contract() {
    let server = databases::start_postgresql();
    let url = databases::postgresql_url(server.port());
    // A slow machine needs more time to open connections.
    let patient = format!("{url}?timeout=20s");
    keeps_the_contract("postgres", &patient).await;
    logs_changes(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_keeps_the_contract() {
    let server = databases::start_mariadb();
    let url = databases::mariadb_url(server.port());
    keeps_the_contract("mysql", &format!("{url}?timeout=20s")).await;
    logs_changes(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract() {
    let server = redis::one();
    let url = redis::url(&server);
    keeps_the_contract("redis", &url).await;
    logs_changes(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_behind_sentinels_keeps_the_contract() {
    let watched = redis::Watched::start();
    let url = watched.url();
    keeps_the_contract("redis", &url).await;
    logs_changes(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_cluster_keeps_the_contract() {
    let cluster = redis::Cluster::start(3, 0);
    let url = cluster.url();
    keeps_the_contract("redis", &url).await;
    logs_changes(&url).await;
}

/// Checks that a log-out on one node is seen by the other.
///
/// The near caches of both nodes never ask the store again by themselves, so only the log of
/// changes can tell.
async fn a_log_out_is_seen_by_the_other_node(url: &str) {
    let node = async || {
        CachedStore::builder(AnyStore::connect(url).await.unwrap())
            .with_max_age(HOUR)
            .with_max_staleness(HOUR)
            .with_max_stale_on_error(HOUR)
            .build()
            .unwrap()
    };
    let (one, two) = (node().await, node().await);
    let (policy, now) = (Policy::default(), SystemClock.now());
    for id in 0..5 {
        let key = SessionKey::of(format!("{url} {id}"));
        let activity = Activity::began(now);
        one.create(key, activity, policy.keep_until(&activity))
            .await
            .unwrap();
        for node in [&one, &two, &one, &two] {
            let found = node.touch(key, policy.touch(now)).await.unwrap();
            assert_eq!(found, Some(activity));
        }
        assert!(
            one.revoke(key, policy.keep_until(&activity))
                .await
                .unwrap()
                .is_some()
        );
        let seen = async {
            while !two
                .touch(key, policy.touch(now))
                .await
                .unwrap()
                .unwrap()
                .is_revoked()
            {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(10 * SECOND, seen).await.expect("it was not seen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_is_seen_by_the_other_node_through_redis() {
    let server = redis::one();
    a_log_out_is_seen_by_the_other_node(&redis::url(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_is_seen_by_the_other_node_through_postgresql() {
    let server = databases::start_postgresql();
    a_log_out_is_seen_by_the_other_node(&databases::postgresql_url(server.port())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_sessions_go_on_while_the_server_is_frozen() {
    let server = redis::one();
    let shared = AnyStore::connect(&redis::url(&server)).await.unwrap();
    let store = CachedStore::builder(shared.clone())
        .with_max_staleness(Duration::from_millis(200))
        .with_max_stale_on_error(3 * SECOND)
        .with_shared_timeout(Duration::from_millis(100))
        .with_flush_every(Duration::from_millis(50))
        .build()
        .unwrap();
    let policy = Policy::default();
    let (key, activity) = (SessionKey::of("a"), Activity::began(SystemClock.now()));
    store
        .create(key, activity, policy.keep_until(&activity))
        .await
        .unwrap();
    let request = || store.touch(key, policy.touch(SystemClock.now()));
    // The first read of the log has the cache ask again. Then it knows the session.
    let known = Instant::now();
    while known.elapsed() < SECOND {
        request().await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }

    server.freeze();
    let frozen = Instant::now();
    while frozen.elapsed() < 2 * SECOND {
        let found = timeout(SECOND, request())
            .await
            .expect("no request waits for long");
        assert!(
            found
                .expect("no error")
                .is_some_and(|found| !found.is_revoked())
        );
        sleep(Duration::from_millis(10)).await;
    }
    sleep(2 * SECOND).await;
    let error = timeout(2 * SECOND, request())
        .await
        .expect("no request hangs");
    error.expect_err("nobody has confirmed it for too long");

    server.thaw();
    let back = async { while request().await.is_err() {} };
    timeout(10 * SECOND, back).await.expect("it is back");
    let last = SystemClock.now();
    let written = async {
        while shared.load(key).await.unwrap().unwrap().last_activity() < last {
            request().await.unwrap();
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(10 * SECOND, written)
        .await
        .expect("activity is written again");
}
