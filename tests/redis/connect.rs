//! Tests of the ways to reach Redis: URLs and their parameters, Unix sockets, TLS, a client of the
//! application.

use std::process::Command;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client};
use rustls::crypto::CryptoProvider;
use tower_login_timeout::{
    Activity, ActivityStore, AnyStore, BoxError, Clock, RedisStore, SessionKey, SystemClock,
    Timestamp,
};

use crate::common::redis::{Cluster, Private, cli, one, one_with, url};
use crate::common::servers::{Server, run};

type Result<T = ()> = std::result::Result<T, BoxError>;

async fn works(store: &impl ActivityStore) -> Result {
    let (key, activity) = (SessionKey::of("a"), Activity::began(SystemClock.now()));
    let created = store.create(key, activity, Timestamp::MAX).await;
    created.map_err(Into::into)?;
    assert_eq!(store.load(key).await.map_err(Into::into)?, Some(activity));
    Ok(())
}

fn names(server: &Server) -> String {
    cli(server.port(), &["KEYS", "*"])
}

#[tokio::test]
async fn a_url_names_the_prefix_and_the_deadline() -> Result {
    let server = one();
    let address = url(&server).replace("redis://", "valkey://");
    works(&RedisStore::connect(&format!("{address}?prefix=shop%3A")).await?).await?;
    works(&AnyStore::connect(&format!("{address}/?prefix=inn:&deadline=2s")).await?).await?;
    let mut names: Vec<String> = names(&server).lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(names.len(), 2);
    assert!(
        names[0].starts_with("inn:") && names[1].starts_with("shop:"),
        "{names:?}"
    );

    // The URL wins over the builder.
    let builder = RedisStore::builder().with_deadline(Duration::from_secs(20));
    let store = builder
        .connect(&format!("{address}?deadline=150ms"))
        .await?;
    server.freeze();
    let start = std::time::Instant::now();
    let error = store.load(SessionKey::of("a")).await.unwrap_err();
    assert!(
        error.to_string().contains("150ms") || !error.is_timeout(),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(5));
    server.thaw();
    Ok(())
}

#[tokio::test]
async fn a_unix_socket_is_reached() -> Result {
    let server = one_with(&["--unixsocket", "redis.sock", "--requirepass", "sesame/1"]);
    let path = server.folder().join("redis.sock");
    let path = path.display();
    for scheme in ["redis+unix", "valkey+unix"] {
        let url = format!("{scheme}://{path}?db=1&pass=sesame%2F1&prefix=shop:");
        works(&RedisStore::connect(&url).await?).await?;
        works(&AnyStore::connect(&url).await?).await?;
    }
    let admin = [
        "-a",
        "sesame/1",
        "--no-auth-warning",
        "-n",
        "1",
        "KEYS",
        "*",
    ];
    assert!(cli(server.port(), &admin).starts_with("shop:"));
    let wrong = format!("redis+unix://{path}?pass=secret");
    let error = RedisStore::connect(&wrong).await.unwrap_err();
    assert!(error.to_string().contains("credentials"), "{error}");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_url_names_the_certificate_authority() -> Result {
    let private = Private::start();
    let port = private.server.port();
    run(Command::new("redis-cli")
        .current_dir(private.server.folder())
        .args(["-p", &port.to_string(), "--tls", "--cacert", "root.pem"])
        .args(["--cert", "client.pem", "--key", "client.key"])
        .args(["CONFIG", "SET", "tls-auth-clients", "no"]));
    let file = private.server.folder().join("root.pem");
    let url = format!("valkeys://127.0.0.1:{port}?ca={}", file.display());
    works(&AnyStore::connect(&url).await?).await?;
    let error = RedisStore::connect(&format!("rediss://127.0.0.1:{port}"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    let missing = format!("rediss://127.0.0.1:{port}?ca=/secret.pem");
    let error = RedisStore::connect(&missing).await.unwrap_err();
    assert!(error.to_string().contains("`ca`"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    Ok(())
}

/// All tests of this file share the process, and none installs a default.
#[tokio::test]
async fn tls_leaves_the_process_default_alone() -> Result {
    let private = Private::start();
    let url = format!("rediss://127.0.0.1:{}", private.server.port());
    let builder = RedisStore::builder()
        .with_root_certificate(&*private.root)
        .with_client_certificate(&*private.client, &*private.key);
    let store = builder.connect(&url).await?;
    works(&store).await?;
    assert!(
        CryptoProvider::get_default().is_none(),
        "a default was installed"
    );

    for unreadable in [
        RedisStore::builder().with_root_certificate("no certificate"),
        RedisStore::builder().with_client_certificate("no certificate", "no key"),
    ] {
        let error = unreadable.connect(&url).await.unwrap_err();
        assert!(error.to_string().contains("must be PEM"), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_of_the_application_is_used() -> Result {
    let server = one_with(&["--requirepass", "sesame"]);
    let url = format!("redis://:sesame@127.0.0.1:{}/3", server.port());
    let client = Client::open(&*url)?;
    let store = RedisStore::from_client(client.clone()).await?;
    works(&store).await?;
    let admin = ["-a", "sesame", "--no-auth-warning", "-n", "3", "DBSIZE"];
    assert_eq!(cli(server.port(), &admin).trim(), "1");
    assert!(!format!("{store:?}").contains("sesame"), "{store:?}");

    // The connection comes back.
    let kill = [
        "-a",
        "sesame",
        "--no-auth-warning",
        "CLIENT",
        "KILL",
        "TYPE",
        "normal",
    ];
    cli(server.port(), &kill);
    let back = async { while works(&store).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(20), back).await?;
    Ok(())
}

/// The application answers for its own TLS, and its process default.
#[tokio::test]
async fn the_connection_settings_of_the_application_are_used() -> Result {
    let server = one();
    // Nothing resolves, so an address by name cannot be reached.
    let config = AsyncConnectionConfig::new().set_dns_resolver(Nothing);
    let by_name = url(&server).replace("127.0.0.1", "localhost");
    let client = Client::open(&*by_name)?;
    works(&RedisStore::from_client(client.clone()).await?).await?;
    let builder = RedisStore::builder().with_connection_config(config);
    assert!(builder.connect_client(client).await.is_err());
    Ok(())
}

struct Nothing;

impl redis::io::AsyncDNSResolver for Nothing {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        _host: &'b str,
        _port: u16,
    ) -> redis::RedisFuture<'a, Box<dyn Iterator<Item = std::net::SocketAddr> + Send + 'a>> {
        Box::pin(async { Ok(Box::new(std::iter::empty()) as Box<_>) })
    }
}

#[tokio::test]
async fn a_cluster_takes_parameters_too() -> Result {
    let cluster = Cluster::start(3, 0);
    let url = cluster.url().replace("redis+cluster", "valkey+cluster");
    works(&AnyStore::connect(&format!("{url}?prefix=shop:")).await?).await?;
    assert!(
        cluster
            .nodes
            .iter()
            .any(|node| names(node).starts_with("shop:"))
    );
    Ok(())
}
