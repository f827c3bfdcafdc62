//! All sessions of a tenant are revoked while nodes follow the log of changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_login_timeout::{
    ActivityStore, BoxError, CachedStore, Clock, RedisStore, SystemClock, Timestamp,
};

use crate::common::redis::Cluster;
use crate::common::servers::Server;
use crate::crowd::{create_sessions, key, policy};
use crate::redis_info::{command, cpu_micros, number, reset};

const SESSIONS: u64 = 10_000;
const NODES: [u64; 2] = [10, 100];
/// How many sessions are revoked at once.
const AT_ONCE: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(60);

type Node = CachedStore<RedisStore>;

pub(crate) fn run() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for nodes in NODES {
            measure(nodes).await?;
        }
        Ok(())
    })
}

/// Each node knows all sessions. A node that has read of a revocation forgets the session.
async fn measure(nodes: u64) -> Result<(), BoxError> {
    let cluster = Cluster::start(3, 0);
    let servers: Vec<&Server> = cluster.nodes.iter().collect();
    let writer = RedisStore::connect(&cluster.url()).await?;
    create_sessions(&writer, SESSIONS).await?;
    let mut all = Vec::new();
    for _ in 0..nodes {
        let store = RedisStore::connect(&cluster.url()).await?;
        let node = CachedStore::builder(store).with_capacity(4 * SESSIONS as usize);
        all.push(node.build()?);
    }
    for node in &all {
        // The first touch starts to follow the log. What was learned before that is asked again.
        while node.len() < SESSIONS as usize {
            learn(node).await?;
        }
    }
    let name = format!("revocation.{nodes}_nodes");
    let known: usize = all.iter().map(CachedStore::len).sum();
    println!("{name}.known {known} entries");
    reset(&servers);
    let cpu: Vec<f64> = servers.iter().map(|server| cpu_micros(&[server])).collect();
    let bytes = bytes_out(&servers);

    let start = Instant::now();
    revoke_all(&writer).await?;
    let revoked = start.elapsed();
    while all.iter().any(|node| !node.is_empty()) {
        if start.elapsed() > PATIENCE {
            return Err("a node has not seen all revocations".into());
        }
        sleep(Duration::from_millis(2)).await;
    }
    let seen = start.elapsed();

    println!("{name}.revoking {:.2} s", revoked.as_secs_f64());
    println!(
        "{name}.last_node_after {:.0} ms",
        (seen - revoked).as_secs_f64() * 1e3
    );
    for (what, name_in_redis) in [("scripts", "evalsha"), ("log_reads", "xrange")] {
        let command = command(&servers, name_in_redis);
        println!(
            "{name}.{what} {} calls, {:.1} us a call, {:.1} ms in all",
            command.calls,
            command.micros_a_call(),
            command.micros as f64 / 1e3
        );
    }
    for (index, server) in servers.iter().enumerate() {
        let cpu = (cpu_micros(&[server]) - cpu[index]) / 1e3;
        let bytes = number(server, "stats", "total_net_output_bytes") - bytes[index];
        println!(
            "{name}.server{index} {cpu:.0} ms cpu, {:.2} MB sent",
            bytes / 1e6
        );
    }
    Ok(())
}

fn bytes_out(servers: &[&Server]) -> Vec<f64> {
    let of_one = |server: &&Server| number(server, "stats", "total_net_output_bytes");
    servers.iter().map(of_one).collect()
}

/// Has a node know all sessions.
async fn learn(node: &Node) -> Result<(), BoxError> {
    let policy = policy()?;
    let mut asking = JoinSet::new();
    for caller in 0..AT_ONCE {
        let node = node.clone();
        asking.spawn(async move {
            for number in (caller..SESSIONS).step_by(AT_ONCE as usize) {
                node.touch(key(number), policy.touch(SystemClock.now()))
                    .await?;
            }
            Ok::<_, BoxError>(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    Ok(())
}

async fn revoke_all(store: &RedisStore) -> Result<(), BoxError> {
    let store = Arc::new(store.clone());
    let mut revoking = JoinSet::new();
    for caller in 0..AT_ONCE {
        let store = Arc::clone(&store);
        revoking.spawn(async move {
            for number in (caller..SESSIONS).step_by(AT_ONCE as usize) {
                store.revoke(key(number), Timestamp::MAX).await?;
            }
            Ok::<_, BoxError>(())
        });
    }
    while let Some(revoked) = revoking.join_next().await {
        revoked??;
    }
    Ok(())
}
