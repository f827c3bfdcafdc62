//! Tests of the log of changes while something fails: a log that was cut or lost, a replica that is
//! behind, full memory, missing replicas, and Clusters.

use std::time::Duration;

use tokio::time::Instant;
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Change, Clock, Limits, LogPosition, Policy, RedisStore,
    SessionKey, SharedStore, SystemClock, Timestamp,
};

use super::change_log::{
    Reader, commands, connect, notes_changes_and_no_activity, revoke, sessions,
};
use crate::common::redis::{Cluster, cli, name, one, one_with, replica_of, url};
use crate::common::servers::{Server, poll};

type Result<T = ()> = std::result::Result<T, BoxError>;

const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(20);
const LOG: &str = "login-timeout:changes";

#[tokio::test]
async fn a_reader_that_fell_behind_the_trim_is_told() -> Result {
    let server = one();
    let store = connect(&url(&server)).await?;
    let keys = sessions(&store, 8).await?;
    let mut behind = Reader::start(&store).await?;
    revoke(&store, keys[0]).await?;
    let mut just_there = Reader::start(&store).await?;
    for key in &keys[1..4] {
        revoke(&store, *key).await?;
    }
    // The entry at the position and three more are left.
    cli(server.port(), &["XTRIM", LOG, "MAXLEN", "4"]);
    behind.is_told_of_a_gap().await?;
    assert_eq!(just_there.keys().await?, keys[1..4]);
    revoke(&store, keys[4]).await?;
    assert_eq!(behind.keys().await?, [keys[4]]);

    // Nothing is left, so there is no position either.
    cli(server.port(), &["XTRIM", LOG, "MAXLEN", "0"]);
    behind.is_told_of_a_gap().await?;
    revoke(&store, keys[5]).await?;
    assert_eq!(behind.keys().await?, [keys[5]]);
    Ok(())
}

#[tokio::test]
async fn a_reader_of_a_log_that_was_lost_is_told() -> Result {
    // The server keeps nothing when it ends.
    let mut server = one_with(&[]);
    let store = connect(&url(&server)).await?;
    let mut reader = Reader::start(&store).await?;
    for lost_by in ["FLUSHALL", "restart", "DEL", "restart, and changes since"] {
        let keys = sessions(&store, 2).await?;
        revoke(&store, keys[0]).await?;
        assert_eq!(reader.keys().await?, [keys[0]], "before {lost_by}");
        match lost_by {
            "FLUSHALL" => drop(cli(server.port(), &["FLUSHALL"])),
            "DEL" => drop(cli(server.port(), &["DEL", LOG])),
            _ => {
                server.restart();
                while store.load(keys[0]).await.is_err() {}
            }
        }
        if lost_by.ends_with("changes since") {
            let keys = sessions(&store, 2).await?;
            revoke(&store, keys[1]).await?;
        }
        reader.is_told_of_a_gap().await?;
        let keys = sessions(&store, 2).await?;
        store
            .create(keys[1], Activity::began(Timestamp::MAX), Timestamp::MAX)
            .await?;
        assert_eq!(reader.keys().await?.last(), Some(&keys[1]), "{lost_by}");
        cli(server.port(), &["FLUSHALL"]);
        reader.is_told_of_a_gap().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_restart_with_persistence_loses_no_change() -> Result {
    let mut server = one_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = connect(&url(&server)).await?;
    let keys = sessions(&store, 2).await?;
    let mut reader = Reader::start(&store).await?;
    revoke(&store, keys[0]).await?;
    server.restart();
    while store.load(keys[0]).await.is_err() {}
    revoke(&store, keys[1]).await?;
    assert_eq!(reader.keys().await?, keys);
    Ok(())
}

#[tokio::test]
async fn a_fail_over_to_a_replica_that_is_behind_is_told() -> Result {
    let mut master = one();
    let replica = replica_of(&master);
    let before = connect(&url(&master)).await?;
    let keys = sessions(&before, 4).await?;
    revoke(&before, keys[0]).await?;
    let in_step = Reader::start(&before).await?;
    let copied = || cli(replica.port(), &["XLEN", LOG]).trim() == "1";
    assert!(poll(PATIENCE, copied));
    // The replica is cut off, and the master goes on for a while.
    cli(replica.port(), &["REPLICAOF", "NO", "ONE"]);
    revoke(&before, keys[1]).await?;
    let ahead = Reader::start(&before).await?;
    master.kill();

    let after = connect(&url(&replica)).await?;
    // What the reader knows of, the replica knows of too. The rest is undone.
    assert_eq!(in_step.continue_in(&after).keys().await?, []);
    let undone = after.load(keys[1]).await?;
    assert!(undone.is_some_and(|found| !found.is_revoked()));
    ahead.continue_in(&after).is_told_of_a_gap().await?;
    // Also when the new master's log has gone on.
    revoke(&after, keys[2]).await?;
    assert_eq!(in_step.continue_in(&after).keys().await?, [keys[2]]);
    let mut ahead = ahead.continue_in(&after);
    ahead.is_told_of_a_gap().await?;
    revoke(&after, keys[3]).await?;
    assert_eq!(ahead.keys().await?, [keys[3]]);
    Ok(())
}

/// The new master's clock is behind, so that it gives an entry the id of one that it never
/// received.
#[tokio::test]
async fn another_entry_with_the_same_id_is_told() -> Result {
    let server = one();
    let port = server.port();
    let store = connect(&url(&server)).await?;
    cli(port, &["XADD", LOG, "5-0", "k", "0123456789abcdef"]);
    let mut reader = Reader::start(&store).await?;
    cli(port, &["FLUSHALL"]);
    cli(port, &["XADD", LOG, "5-0", "k", "0123456789abcdef"]);
    assert_eq!(reader.keys().await?, []);
    cli(port, &["FLUSHALL"]);
    cli(port, &["XADD", LOG, "5-0", "k", "fedcba9876543210"]);
    reader.is_told_of_a_gap().await
}

#[tokio::test]
async fn a_position_of_another_store_is_told() -> Result {
    let server = one();
    let store = connect(&url(&server)).await?;
    // The log is missing, and then it has entries.
    for _ in 0..2 {
        for position in [
            &b""[..],
            b" ",
            b"-",
            b"- ",
            b"+ ",
            b"(0-0 ",
            b"5 ",
            b"0-0 ",
            b"0-0",
            b"a-b ",
            b"+1-1 ",
            b"1-1-1 ",
            b"99999999999999999999-0 ",
            b"18446744073709551615-18446744073709551615 ",
            &[0xff; 20],
            &7_u64.to_be_bytes(),
        ] {
            let position = Some(LogPosition::from_bytes(position));
            let told = Reader::start_at(&store, position).await?;
            assert!(told.is_none(), "{told:?}");
        }
        let key = sessions(&store, 1).await?[0];
        revoke(&store, key).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_counts_for_any_session() -> Result {
    let server = one();
    let port = server.port();
    let store = connect(&url(&server)).await?;
    let keys = sessions(&store, 2).await?;
    let mut reader = Reader::start(&store).await?;
    for entry in [
        &["k", "too short"][..],
        &["k", "0123456789abcdefg"],
        &["other", "0123456789abcdef"],
        &["k", "0123456789abcdef", "more", "of it"],
    ] {
        cli(port, &[&["XADD", LOG, "*"], entry].concat());
        reader.is_told_of_a_gap().await?;
        cli(port, &[&["XADD", LOG, "*"], entry].concat());
        revoke(&store, keys[0]).await?;
        reader.is_told_of_a_gap().await?;
        let began = Activity::began(SystemClock.now());
        store.create(keys[0], began, Timestamp::MAX).await?;
        assert_eq!(reader.keys().await?, [keys[0]]);
    }
    // An entry without a key only marks a position.
    cli(port, &["XADD", LOG, "*", "k", ""]);
    revoke(&store, keys[1]).await?;
    assert_eq!(reader.keys().await?, [keys[1]]);
    Ok(())
}

#[tokio::test]
async fn full_memory_stops_no_note() -> Result {
    let server = one();
    let port = server.port();
    let store = connect(&url(&server)).await?;
    let keys = sessions(&store, 3).await?;
    cli(port, &["CONFIG", "SET", "maxmemory", "1"]);
    // The log is missing, and its first entry needs memory.
    let mut reader = Reader::start(&store).await?;
    revoke(&store, keys[0]).await?;
    let policy = Policy::default();
    let limits = Limits::default().with_idle(MINUTE)?;
    let change = Change::set_limits(policy, SystemClock.now(), limits);
    store.change(keys[1], change).await?;
    assert_eq!(store.load(keys[1]).await?.unwrap().limits(), limits);
    assert_eq!(reader.keys().await?, keys[..2]);
    // A record is not replaced, so that is not noted.
    let began = Activity::began(SystemClock.now());
    let refused = store.create(keys[2], began, Timestamp::MAX).await;
    assert!(refused.unwrap_err().to_string().contains("`maxmemory`"));
    assert_eq!(reader.keys().await?, []);
    Ok(())
}

#[tokio::test]
async fn what_missing_replicas_refuse_is_not_noted() -> Result {
    let server = one();
    let port = server.port();
    let store = connect(&url(&server)).await?;
    let key = sessions(&store, 1).await?[0];
    cli(port, &["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let refused = store.changes_since(None).await.unwrap_err().to_string();
    assert!(refused.contains("`min-replicas-to-write`"), "{refused}");
    cli(port, &["CONFIG", "SET", "min-replicas-to-write", "0"]);
    let mut reader = Reader::start(&store).await?;
    cli(port, &["CONFIG", "SET", "min-replicas-to-write", "1"]);
    assert!(store.revoke(key, Timestamp::MAX).await.is_err());
    let limits = Limits::default().with_idle(MINUTE)?;
    let change = Change::set_limits(Policy::default(), SystemClock.now(), limits);
    assert!(store.change(key, change).await.is_err());
    let began = Activity::began(SystemClock.now());
    assert!(store.create(key, began, Timestamp::MAX).await.is_err());
    // The log can be read all the same.
    assert_eq!(reader.keys().await?, []);
    Reader::start(&store).await?;
    Ok(())
}

#[tokio::test]
async fn a_change_counts_although_the_log_refuses_it() -> Result {
    let server = one();
    let port = server.port();
    let store = connect(&url(&server)).await?;
    let keys = sessions(&store, 2).await?;
    cli(port, &["SET", LOG, "a value of somebody else"]);
    assert_changes(&store, keys[0]).await?;
    assert!(store.changes_since(None).await.is_err());
    cli(port, &["DEL", LOG]);

    cli(port, &["ACL", "SETUSER", "default", "-xadd"]);
    assert_changes(&store, keys[1]).await?;
    let refused = store.changes_since(None).await.unwrap_err().to_string();
    assert!(refused.contains("rights"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_revocation_that_replicas_confirm_is_noted() -> Result {
    let master = one();
    let replica = replica_of(&master);
    let store = waiting_for_a_replica(&master).await?;
    let keys = sessions(&store, 2).await?;
    let mut reader = Reader::start(&store).await?;
    revoke(&store, keys[0]).await?;
    assert_eq!(reader.keys().await?, [keys[0]]);
    // The marker and the change.
    assert_eq!(cli(replica.port(), &["XLEN", LOG]).trim(), "2");
    replica.freeze();
    assert!(store.revoke(keys[1], Timestamp::MAX).await.is_err());
    assert_eq!(reader.keys().await?, [keys[1]]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_has_a_log() -> Result {
    let cluster = Cluster::start(3, 0);
    let store = connect(&cluster.url()).await?;
    notes_changes_and_no_activity(&store).await?;
    let other = connect(&cluster.url()).await?;
    let keys = sessions(&store, 300).await?;
    let mut reader = Reader::start(&other).await?;
    for key in &keys {
        revoke(&store, *key).await?;
    }
    assert_eq!(reader.keys().await?, keys);

    // The memory of the log's node is full.
    let home = home_of(&cluster, LOG);
    cli(home.port(), &["CONFIG", "SET", "maxmemory", "1"]);
    for key in &keys[..20] {
        revoke(&store, *key).await?;
    }
    assert_eq!(reader.keys().await?, keys[..20]);

    // A read of the log goes to its own node, and is one command.
    commands(home);
    reader.keys().await?;
    assert_eq!(commands(home), ["xrange 1"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_counts_although_the_node_with_the_log_fails() -> Result {
    let cluster = Cluster::start(3, 0);
    for node in &cluster.nodes {
        let setting = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
        cli(node.port(), &setting);
    }
    let store = connect(&cluster.url()).await?;
    let home = home_of(&cluster, LOG);
    let keys = sessions(&store, 40).await?;
    let elsewhere: Vec<_> = keys
        .into_iter()
        .filter(|key| home_of(&cluster, &name(*key)).port() != home.port())
        .collect();
    assert!(elsewhere.len() > 10);

    cli(home.port(), &["SET", LOG, "a value of somebody else"]);
    assert_changes(&store, elsewhere[0]).await?;
    cli(home.port(), &["DEL", LOG]);
    let mut reader = Reader::start(&store).await?;
    assert_changes(&store, elsewhere[1]).await?;
    assert_eq!(reader.keys().await?, [elsewhere[1]; 4]);

    let deadline = Duration::from_secs(1);
    let builder = RedisStore::builder().with_deadline(deadline);
    let hasty = builder.connect(&cluster.url()).await?;
    home.freeze();
    let start = Instant::now();
    let found = hasty.revoke(elsewhere[2], Timestamp::MAX).await;
    let took = start.elapsed();
    assert!(found?.is_some());
    assert!(took >= deadline / 2, "the log's node answered: {took:?}");
    assert!(took < 2 * deadline, "{took:?}");
    home.thaw();
    let found = store.load(elsewhere[2]).await?;
    assert!(found.is_some_and(|found| found.is_revoked()));
    Ok(())
}

/// Some managed Clusters look like one server, and want all keys of a script in one slot.
#[tokio::test]
async fn a_cluster_behind_one_address_has_a_log() -> Result {
    let server = one_with(&["--cluster-enabled", "yes"]);
    let port = server.port();
    cli(port, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let is_up = || cli(port, &["CLUSTER", "INFO"]).contains("cluster_state:ok");
    assert!(poll(PATIENCE, is_up));
    // Each operation may be the first that finds the Cluster.
    for (number, first) in ["create", "change", "revoke"].into_iter().enumerate() {
        let store = connect(&url(&server)).await?;
        let key = SessionKey::of(format!("first {number}"));
        let now = SystemClock.now();
        let began = Activity::began(now);
        store.create(key, began, Timestamp::MAX).await?;
        let mut reader = Reader::start(&store).await?;
        match first {
            "create" => store.create(key, began, Timestamp::MAX).await?,
            "change" => {
                let limits = Limits::default().with_idle(MINUTE)?;
                let change = Change::set_limits(Policy::default(), now, limits);
                assert!(store.change(key, change).await?.is_some());
            }
            _ => revoke(&store, key).await?,
        }
        assert_eq!(reader.keys().await?, [key], "{first}");
    }
    let store = connect(&url(&server)).await?;
    notes_changes_and_no_activity(&store).await?;

    // No replica confirms the revocation, which takes effect all the same.
    let store = waiting_for_a_replica(&server).await?;
    // The second write of this record finds the Cluster.
    sessions(&store, 1).await?;
    let key = sessions(&store, 1).await?[0];
    let mut reader = Reader::start(&store).await?;
    let error = store.revoke(key, Timestamp::MAX).await.unwrap_err();
    assert!(error.to_string().contains("only 0 of 1"), "{error}");
    assert_eq!(reader.keys().await?, [key]);
    Ok(())
}

/// Connects a store whose revocations have to be confirmed by a replica, within 1.5 seconds.
async fn waiting_for_a_replica(server: &Server) -> Result<RedisStore> {
    let builder = RedisStore::builder().with_deadline(Duration::from_secs(2));
    let builder = builder.with_replicas_per_revocation(1);
    Ok(builder.connect(&url(server)).await?)
}

/// Fails the test unless a live session is changed, replaced and revoked.
async fn assert_changes(store: &RedisStore, key: SessionKey) -> Result {
    let now = SystemClock.now();
    let began = Activity::began(now);
    let limits = Limits::default().with_idle(MINUTE)?;
    let change = Change::set_limits(Policy::default(), now, limits);
    assert!(store.change(key, change).await?.is_some());
    assert_eq!(store.load(key).await?.unwrap().limits(), limits);
    store.create(key, began, Timestamp::MAX).await?;
    assert_eq!(store.load(key).await?, Some(began));
    revoke(store, key).await?;
    assert!(store.load(key).await?.unwrap().is_revoked());
    store.create(key, began, Timestamp::MAX).await?;
    assert_eq!(store.load(key).await?, Some(began));
    Ok(())
}

/// Returns the node of a Cluster that has the slot of this key.
fn home_of<'a>(cluster: &'a Cluster, key: &str) -> &'a Server {
    let has = |node: &&Server| {
        let answer = cli(node.port(), &["EXISTS", key]);
        !answer.contains("MOVED")
    };
    let home = cluster.nodes.iter().find(has);
    home.expect("a node has the slot")
}
