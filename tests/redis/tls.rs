//! Tests of `RedisStore` through TLS: only servers and clients with the right certificates connect.

use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Clock, RedisStore, SessionKey, SystemClock, Timestamp,
};

use crate::common::redis::Private;

#[tokio::test]
async fn the_server_and_the_client_know_each_other_by_their_certificates() -> Result<(), BoxError> {
    let private = Private::start();
    let port = private.server.port();
    let url = format!("rediss://127.0.0.1:{port}");
    let builder = RedisStore::builder().with_root_certificate(&*private.root);
    let known = builder.with_client_certificate(&*private.client, &*private.key);
    let shown = format!("{known:?}");
    assert!(
        !shown.contains("CERTIFICATE") && !shown.contains("PRIVATE"),
        "{shown}"
    );

    let store = known.clone().connect(&url).await?;
    let (key, activity) = (SessionKey::of("a"), Activity::began(SystemClock.now()));
    store.create(key, activity, Timestamp::MAX).await?;
    assert_eq!(store.load(key).await?, Some(activity));

    let strangers = [
        (
            "a server that nobody vouches for",
            RedisStore::builder(),
            url.clone(),
        ),
        (
            "a server by another name",
            known.clone(),
            format!("rediss://localhost:{port}"),
        ),
        ("no TLS", known.clone(), format!("redis://127.0.0.1:{port}")),
        ("any server", known.clone(), format!("{url}/#insecure")),
        (
            "no certificate of our own",
            RedisStore::builder().with_root_certificate(&*private.root),
            url.clone(),
        ),
    ];
    for (what, builder, url) in strangers {
        assert!(builder.connect(&url).await.is_err(), "{what} is accepted");
    }
    Ok(())
}
