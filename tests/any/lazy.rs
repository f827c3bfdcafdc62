//! Tests of a store that connects in the background: real servers that are down at first.

use std::error::Error;
use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_login_timeout::{
    Activity, ActivityStore, AnyStore, CachedStore, Clock, Policy, SessionKey, SystemClock,
    conformance,
};

use crate::common::redis;
use crate::common::servers::Folder;

const SECOND: Duration = Duration::from_secs(1);

/// Waits until the store is up, for a minute at most.
async fn up(store: &AnyStore) {
    let started = Instant::now();
    while let Err(error) = store.ready().await {
        assert!(started.elapsed() < 60 * SECOND, "{error}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Fails unless the store says at once that it is down.
async fn is_down(store: &AnyStore) {
    let started = Instant::now();
    let key = SessionKey::of("a");
    let touch = Policy::default().touch(SystemClock.now());
    assert!(store.load(key).await.is_err());
    assert!(store.touch(key, touch).await.is_err());
    assert!(store.ready().await.is_err());
    assert!(started.elapsed() < SECOND);
}

fn all(error: &dyn Error) -> String {
    let mut all = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        all += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_start_later_than_the_program() {
    let mut server = redis::one();
    let url = redis::url(&server);
    server.kill();
    let store = AnyStore::connect_lazy(&url).unwrap();
    let clock = store.clock().await.unwrap();
    let cache = CachedStore::new(store.clone());
    sleep(SECOND).await;
    is_down(&store).await;
    let touch = Policy::default().touch(clock.now());
    assert!(cache.touch(SessionKey::of("a"), touch).await.is_err());

    server.restart();
    up(&store).await;
    let difference = clock.now().as_unix_millis();
    let difference = difference.abs_diff(SystemClock.now().as_unix_millis());
    assert!(difference < 1_000, "{difference} ms");
    let (key, activity) = (SessionKey::of("a"), Activity::began(clock.now()));
    let keep_until = Policy::default().keep_until(&activity);
    store.create(key, activity, keep_until).await.unwrap();
    assert!(store.revoke(key, keep_until).await.unwrap().is_some());
    conformance::check(&store).await;
    conformance::check(&cache).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_and_unix_sockets_are_known() {
    let server = redis::one_with(&["--unixsocket", "redis.sock"]);
    let socket = server.folder().join("redis.sock");
    let socket = socket.display();
    for url in [
        format!("valkey://127.0.0.1:{}", server.port()),
        format!("redis+unix://{socket}"),
        format!("valkey+unix://{socket}"),
    ] {
        let store = AnyStore::connect(&url).await.unwrap();
        store.ready().await.unwrap();
        conformance::check_change_log(&store, &store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_server() {
    let mut server = redis::one();
    let store = AnyStore::connect(&redis::url(&server)).await.unwrap();
    store.ready().await.unwrap();
    server.freeze();
    let started = Instant::now();
    assert!(store.ready().await.is_err());
    assert!(started.elapsed() < 5 * SECOND);
    server.thaw();
    up(&store).await;
    server.kill();
    assert!(store.ready().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_sqlite_may_come_later_than_the_program() {
    let folder = Folder::new("any-lazy");
    let path = folder.path().join("later");
    let url = format!("sqlite:{}/sessions.db", path.display());
    let store = AnyStore::connect_lazy(&url).unwrap();
    assert_eq!(format!("{store:?}"), "AnyStore(\"sqlite\")");
    sleep(SECOND / 2).await;
    is_down(&store).await;
    fs::create_dir(&path).unwrap();
    up(&store).await;
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
    conformance::check_users(&store).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_url_is_said_at_once_or_by_readiness() {
    let error = AnyStore::connect_lazy("mongodb://host").unwrap_err();
    assert!(error.to_string().contains("`mongodb`"), "{error}");
    assert!(AnyStore::connect_lazy("memory:more").is_err());
    for url in [
        "redis://user:hunter2@127.0.0.1:1",
        "redis://user:hunter2@127.0.0.1:hunter2",
        "postgres://user:hunter2@127.0.0.1:1/db",
        "mysql://user:hunter2@127.0.0.1:1/db",
        "sqlite:/no/such/hunter2/file.db",
    ] {
        let store = AnyStore::connect_lazy(url).unwrap();
        let mut error = store.ready().await.unwrap_err();
        for _ in 0..100 {
            if error.source().is_some() {
                break;
            }
            sleep(SECOND / 10).await;
            error = store.ready().await.unwrap_err();
        }
        assert!(error.source().is_some(), "{error}");
        assert!(!all(&error).contains("hunter2"), "{}", all(&error));
        assert!(!format!("{store:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn memory_is_up_at_once() {
    let store = AnyStore::connect_lazy("memory:").unwrap();
    store.ready().await.unwrap();
    conformance::check(&store).await;
}

#[test]
fn outside_a_runtime_it_is_an_error() {
    let error = AnyStore::connect_lazy("redis://127.0.0.1:1").unwrap_err();
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}
