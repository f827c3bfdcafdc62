//! What a command costs the Redis server that gets it, and so how many it can do.

use std::time::Duration;

use tower_login_timeout::{
    ActivityStore, BoxError, Clock, Policy, RedisStore, SharedStore, SystemClock,
};

use crate::common::redis::{Cluster, one_with, url};
use crate::common::servers::Server;
use crate::crowd::{Random, create_sessions, key, median};
use crate::load::call_for;
use crate::redis_info::{commands, cpu_micros, reset, sent};

const SESSIONS: u64 = 30_000;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
/// How many touches one batch of the near cache's has.
const BATCH: u64 = 1_000;

pub(crate) fn run() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        in_a_cluster().await?;
        in_batches().await
    })
}

/// Reads and writes of one session each, over one connection that is busy and over many that are
/// not. Behind a thousand nodes, a server has many connections, and few commands on each.
async fn in_a_cluster() -> Result<(), BoxError> {
    let cluster = Cluster::start(3, 0);
    let servers: Vec<&Server> = cluster.nodes.iter().collect();
    let store = RedisStore::connect(&cluster.url()).await?;
    create_sessions(&store, SESSIONS).await?;
    let rarely = Policy::builder().with_touch_every(Duration::from_secs(600));
    let rarely = rarely.with_idle(Duration::from_secs(7_200)).build()?;
    for (what, policy) in [("read", rarely), ("write", Policy::default())] {
        for (connections, callers) in [(1, 256), (200, 200)] {
            let mut stores = Vec::new();
            for _ in 0..connections {
                stores.push(RedisStore::connect(&cluster.url()).await?);
            }
            let operation = move |caller: u64, turn: u64| {
                let store = stores[caller as usize % stores.len()].clone();
                async move {
                    let number = Random(caller << 32 | turn).below(SESSIONS);
                    store
                        .touch(key(number), policy.touch(SystemClock.now()))
                        .await?;
                    Ok(())
                }
            };
            let (mut cpu, mut rate) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                reset(&servers);
                let before = cpu_micros(&servers);
                let done = call_for(callers, ROUND, operation.clone()).await?;
                let commands = sent(&servers).max(1) as f64;
                cpu.push((cpu_micros(&servers) - before) / commands);
                rate.push(done as f64 / ROUND.as_secs_f64());
            }
            report(
                &format!("commands.{what}.{connections}_connections"),
                cpu,
                rate,
            );
            for (name, command) in commands(&servers) {
                if command.calls > 1_000 {
                    println!("  {name}: {:.2} us in Redis", command.micros_a_call());
                }
            }
        }
    }
    Ok(())
}

/// Writes in the batches that a near cache sends to one server that is no Cluster.
async fn in_batches() -> Result<(), BoxError> {
    let server = one_with(&[]);
    let store = RedisStore::connect(&url(&server)).await?;
    create_sessions(&store, SESSIONS).await?;
    let policy = Policy::default();
    let operation = move |caller: u64, turn: u64| {
        let store = store.clone();
        async move {
            let first = Random(caller << 32 | turn).below(SESSIONS / BATCH) * BATCH;
            let now = SystemClock.now();
            let touches = (first..first + BATCH).map(|number| (key(number), policy.touch(now)));
            let mut touches: Vec<_> = touches.collect();
            touches.sort_unstable_by_key(|(key, _)| *key);
            store.touch_many(touches).await?;
            Ok(())
        }
    };
    let (mut cpu, mut rate) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = cpu_micros(&[&server]);
        let written = call_for(8, ROUND, operation.clone()).await? * BATCH;
        cpu.push((cpu_micros(&[&server]) - before) / written.max(1) as f64);
        rate.push(written as f64 / ROUND.as_secs_f64());
    }
    report("commands.batched_write", cpu, rate);
    Ok(())
}

fn report(name: &str, cpu: Vec<f64>, rate: Vec<f64>) {
    let cpu = median(cpu);
    println!("{name}.server_cpu {cpu:.2} us");
    println!("{name}.one_core {:.0} /s", 1e6 / cpu);
    println!("{name}.on_this_machine {:.0} /s", median(rate));
}
