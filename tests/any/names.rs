//! Tests of the texts that name a store: which are understood, and what the errors say.

use std::error::Error;

use tower_login_timeout::{AnyStore, AnyStoreError, Clock, SystemClock};

#[cfg(feature = "conformance")]
#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    use tower_login_timeout::{CachedStore, conformance};

    let store = AnyStore::connect("memory:").await.unwrap();
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
    conformance::check(&CachedStore::new(store)).await;
}

#[tokio::test]
async fn clones_share_the_store() {
    use tower_login_timeout::{Activity, ActivityStore, SessionKey, Timestamp};

    let store = AnyStore::connect("memory:").await.unwrap();
    let (key, activity) = (SessionKey::of("a"), Activity::began(Timestamp::UNIX_EPOCH));
    store
        .clone()
        .create(key, activity, Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(store.load(key).await.unwrap(), Some(activity));
}

#[tokio::test]
async fn memory_has_the_time_of_the_system() {
    let store = AnyStore::connect("memory:").await.unwrap();
    let before = SystemClock.now();
    let now = store.clock().await.unwrap().now();
    assert!((before..=SystemClock.now()).contains(&now));
}

#[tokio::test]
async fn an_unknown_scheme_is_an_error_that_says_which_there_are() {
    for (text, said) in [
        ("mongodb://host/db", "`mongodb` names no store"),
        (
            "postgress://user:hunter2@host/db",
            "`postgress` names no store",
        ),
        ("REDIS://host", "`REDIS` names no store"),
        ("", "the text names no store"),
        (":", "the text names no store"),
        ("://", "`` names no store"),
        ("memory", "the text names no store"),
        ("user:hunter2@host", "the text names no store"),
        ("hunter2", "the text names no store"),
        ("hunter2:", "the text names no store"),
        ("a hunter2://host", "the text names no store"),
        ("memory:hunter2", "nothing may follow `memory:`"),
    ] {
        let error = AnyStore::connect(text).await.expect_err(text);
        assert!(all(&error).contains(said), "{text}: {error}");
        assert!(!all(&error).contains("hunter2"), "{text}: {error}");
    }
    let error = AnyStore::connect("file.db").await.unwrap_err().to_string();
    for scheme in [
        "memory:",
        "sqlite:",
        "postgres:",
        "mysql:",
        "redis:",
        "redis+sentinel:",
        "redis+cluster:",
    ] {
        assert!(error.contains(scheme), "{error}");
    }
}

#[tokio::test]
async fn no_password_reaches_an_error_or_debug() {
    for text in [
        "sqlite:/no/such/folder/file.db",
        "postgres://user:hunter2@127.0.0.1:1/db",
        "postgresql://user:hunter2@127.0.0.1:hunter2/db",
        "mysql://user:hunter2@127.0.0.1:1/db",
        "mariadb://user:hunter2@[::hunter2/db",
        "redis://user:hunter2@127.0.0.1:1",
        "redis://user:hunter2@127.0.0.1:hunter2",
        "rediss://user:hunter2@127.0.0.1:1",
        "redis+sentinel://user:hunter2@127.0.0.1:1/mymaster",
        "redis+cluster://user:hunter2@127.0.0.1:1",
        "rediss+cluster://user:hunter2@127.0.0.1:1",
    ] {
        let error = AnyStore::connect(text).await.expect_err(text);
        assert!(!all(&error).contains("hunter2"), "{text}: {}", all(&error));
    }
    let store = AnyStore::connect("memory:").await.unwrap();
    assert_eq!(format!("{store:?}"), "AnyStore(\"memory\")");
}

/// Returns everything that a log could show of an error.
fn all(error: &AnyStoreError) -> String {
    let mut all = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        all += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    all
}

/// Defines one test per feature: without the feature, the error for its schemes names it.
macro_rules! not_compiled_in {
    ($($test:ident: $feature:literal is wanted by $($text:literal),*;)*) => {$(
        #[cfg(not(feature = $feature))]
        #[tokio::test]
        async fn $test() {
            for text in [$($text),*] {
                let error = AnyStore::connect(text).await.expect_err(text);
                assert!(error.to_string().contains(concat!("the feature `", $feature, "`")), "{error}");
            }
        }
    )*};
}

not_compiled_in! {
    without_its_feature_sqlite_is_an_error: "sqlite" is wanted by "sqlite:file.db";
    without_its_feature_postgres_is_an_error: "postgres" is wanted by "postgres://host/db", "postgresql://host/db";
    without_its_feature_mysql_is_an_error: "mysql" is wanted by "mysql://host/db", "mariadb://host/db";
    without_its_feature_redis_is_an_error: "redis" is wanted by "redis://host", "rediss://host", "redis+sentinel://host/name", "redis+cluster://host",
        "rediss+sentinel://host/name", "rediss+cluster://host";
}

#[cfg(all(feature = "redis", not(feature = "redis-tls")))]
#[tokio::test]
async fn without_its_feature_redis_tls_is_an_error() {
    let error = AnyStore::connect("rediss://127.0.0.1:1").await.unwrap_err();
    assert!(all(&error).contains("redis-tls"), "{}", all(&error));
}
