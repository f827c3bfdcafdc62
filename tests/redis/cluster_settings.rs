//! Tests of `RedisStore` over Clusters that differ in their settings: protocol, names and TLS.

use std::process::Command;
use std::time::Duration;

use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Clock, Policy, RedisStore, SessionKey, SharedStore,
    SystemClock, Timestamp,
};

use crate::common::redis::{Cluster, cli, one_with};
use crate::common::servers::{Server, poll};
#[cfg(feature = "redis-tls")]
use crate::common::{redis::Private, servers::run};

type Result<T = ()> = std::result::Result<T, BoxError>;

const PATIENCE: Duration = Duration::from_secs(30);

/// The nodes name each other by host names, where they prefer those.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_found_by_their_host_names() -> Result {
    let cluster = Cluster::start(3, 0);
    for node in &cluster.nodes {
        let port = node.port();
        let prefers = [
            "CONFIG",
            "SET",
            "cluster-preferred-endpoint-type",
            "hostname",
        ];
        cli(port, &prefers);
    }
    // The nodes do not know their names. The IP addresses are in the answer as well.
    keeps_sessions(&RedisStore::connect(&cluster.url()).await?).await?;
    for node in &cluster.nodes {
        cli(
            node.port(),
            &["CONFIG", "SET", "cluster-announce-hostname", "localhost"],
        );
    }
    let named = || {
        let names = |node: &Server| cli(node.port(), &["CLUSTER", "SLOTS"]);
        let names = cluster.nodes.iter().map(names);
        names
            .into_iter()
            .all(|names| names.matches("localhost").count() == 3)
    };
    assert!(poll(PATIENCE, named));
    keeps_sessions(&RedisStore::connect(&cluster.url()).await?).await
}

/// As behind a proxy that speaks RESP2 only.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_hello_is_enough() -> Result {
    let node = one_with(&["--cluster-enabled", "yes", "--rename-command", "HELLO", ""]);
    has_all_slots(&node);
    let url = format!("redis+cluster://127.0.0.1:{}", node.port());
    let store = RedisStore::connect(&url).await?;
    keeps_sessions(&store).await?;
    let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
    cli(node.port(), &kill);
    let back = async { while keeps_sessions(&store).await.is_err() {} };
    tokio::time::timeout(PATIENCE, back).await?;
    Ok(())
}

/// A node of the URL that has left the Cluster, or is no node at all, is passed over.
#[tokio::test(flavor = "multi_thread")]
async fn one_node_of_the_url_is_enough() -> Result {
    let cluster = Cluster::start(3, 0);
    let alone = one_with(&["--cluster-enabled", "yes"]);
    let none = one_with(&[]);
    let hosts = [alone.port(), none.port(), 1, cluster.nodes[0].port()];
    let hosts: Vec<String> = hosts
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    for _ in 0..8 {
        let url = format!("redis+cluster://{}", hosts.join(","));
        keeps_sessions(&RedisStore::connect(&url).await?).await?;
    }
    let url = format!("redis+cluster://{}", hosts[..3].join(","));
    assert!(RedisStore::connect(&url).await.is_err());
    Ok(())
}

#[cfg(feature = "redis-tls")]
#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_are_reached_through_tls() -> Result {
    let private = Private::start_with(&["--cluster-enabled", "yes", "--tls-cluster", "yes"]);
    let port = private.server.port();
    run(Command::new("redis-cli")
        .current_dir(private.server.folder())
        .args(["-p", &port.to_string(), "--tls", "--cacert", "root.pem"])
        .args(["--cert", "client.pem", "--key", "client.key"])
        .args(["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]));
    let url = format!("rediss+cluster://127.0.0.1:{port}");
    let builder = RedisStore::builder().with_root_certificate(&*private.root);
    let known = builder.with_client_certificate(&*private.client, &*private.key);
    let store = known.connect(&url).await?;
    let back = async { while keeps_sessions(&store).await.is_err() {} };
    tokio::time::timeout(PATIENCE, back).await?;
    for stranger in [
        RedisStore::builder(),
        RedisStore::builder().with_root_certificate(&*private.root),
    ] {
        assert!(stranger.connect(&url).await.is_err());
    }
    assert!(
        rustls::crypto::CryptoProvider::get_default().is_none(),
        "a default was installed"
    );
    Ok(())
}

fn has_all_slots(node: &Server) {
    cli(node.port(), &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let is_up = || cli(node.port(), &["CLUSTER", "INFO"]).contains("cluster_state:ok");
    assert!(poll(PATIENCE, is_up));
}

async fn keeps_sessions(store: &RedisStore) -> Result {
    let began = Activity::began(SystemClock.now());
    let touch = Policy::default().touch(began.created_at());
    let keys: Vec<_> = (0..30)
        .map(|number| SessionKey::of(number.to_string()))
        .collect();
    for key in &keys {
        store.create(*key, began, Timestamp::MAX).await?;
    }
    let touches = keys.iter().map(|key| (*key, touch)).collect();
    for (_, found) in store.touch_many(touches).await? {
        assert_eq!(found?, began);
    }
    Ok(())
}
