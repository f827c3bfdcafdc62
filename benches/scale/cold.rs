//! A node that starts: it knows none of 100 000 live sessions, and their people go on clicking.

use std::time::Duration;

use tower_login_timeout::{AnyStore, BoxError, CachedStore, Policy, SessionKey};

use crate::common::databases;
use crate::common::redis::{Cluster, one_with, url};
use crate::counting::Counting;
use crate::crowd::{Random, create_sessions, keys, median, policy};
use crate::load::{Outcome, send};

const SESSIONS: u64 = 100_000;
/// The people's first requests are spread over ten, five and two seconds.
const PACES: [u64; 3] = [10_000, 20_000, 50_000];
const ROUNDS: usize = 3;

pub(crate) fn run() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    {
        let server = one_with(&[]);
        runtime.block_on(measure("redis", &url(&server)))?;
    }
    {
        let cluster = Cluster::start(3, 0);
        runtime.block_on(measure("redis_cluster", &cluster.url()))?;
    }
    let server = databases::start_postgresql();
    let url = format!("{}?pool=10", databases::postgresql_url(server.port()));
    runtime.block_on(measure("postgres", &url))
}

async fn measure(name: &str, url: &str) -> Result<(), BoxError> {
    for (how, policy) in [("touch_every", policy()?), ("exact", Policy::default())] {
        for pace in PACES {
            let store = AnyStore::connect(url).await?;
            create_sessions(&store, SESSIONS).await?;
            measure_pace(&format!("cold.{name}.{how}.{pace}"), &store, policy, pace).await?;
        }
    }
    Ok(())
}

/// The first request of each session on a node, and then a second one.
async fn measure_pace(
    name: &str,
    store: &AnyStore,
    policy: Policy,
    pace: u64,
) -> Result<(), BoxError> {
    let keys = shuffled();
    let (mut cold_p50, mut cold_p99, mut cold_longest) = (Vec::new(), Vec::new(), Vec::new());
    let (mut warm_p50, mut warm_p99) = (Vec::new(), Vec::new());
    let mut over = Vec::new();
    let mut errors = 0;
    for round in 1..=ROUNDS {
        let counting = Counting::over(store.clone());
        // A shard that is full would forget sessions, and the second request would be a question.
        let node = CachedStore::builder(counting.clone())
            .with_capacity(2 * SESSIONS as usize)
            .build()?;
        let request = |number: u64| (node.clone(), keys[number as usize]);
        let mut cold = send(SESSIONS, pace, policy, request).await;
        let asked = counting.counted();
        let mut warm = send(SESSIONS, pace, policy, request).await;
        let asked_warm = counting.counted().since(asked);
        let late = |outcome: &Outcome| outcome.micros.iter().filter(|it| **it > 250_000).count();
        println!(
            "{name}.round{round}: cold {asked:?}, {} errors, {} over 250 ms; warm {asked_warm:?}, {} errors",
            cold.errors(),
            late(&cold),
            warm.errors()
        );
        errors += cold.errors();
        cold_p50.push(cold.millis(50.0));
        cold_p99.push(cold.millis(99.0));
        cold_longest.push(cold.millis(100.0));
        warm_p50.push(warm.millis(50.0));
        warm_p99.push(warm.millis(99.0));
        over.push(cold.millis(99.0) - warm.millis(99.0));
        node.flush(Duration::from_secs(10)).await?;
    }
    println!("{name}.cold_p50 {:.1} ms", median(cold_p50));
    println!("{name}.cold_p99 {:.1} ms", median(cold_p99));
    println!("{name}.cold_longest {:.1} ms", median(cold_longest));
    println!("{name}.warm_p50 {:.1} ms", median(warm_p50));
    println!("{name}.warm_p99 {:.1} ms", median(warm_p99));
    println!("{name}.p99_over_warm {:.1} ms", median(over));
    println!("{name}.errors {errors} requests");
    Ok(())
}

/// Returns the sessions in a random order, as people come.
fn shuffled() -> Vec<SessionKey> {
    let mut keys = keys(SESSIONS).to_vec();
    let mut random = Random(7);
    for index in (1..keys.len()).rev() {
        keys.swap(index, random.below(index as u64 + 1) as usize);
    }
    keys
}
