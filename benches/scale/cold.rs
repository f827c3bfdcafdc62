//! A node that starts: it knows none of 100 000 live sessions, and their people go on clicking.

use std::time::Duration;

use tower_login_timeout::{AnyStore, BoxError, CachedStore, Policy, SessionKey};

use crate::common::databases;
use crate::common::redis::{Cluster, one_with, url};
use crate::counting::Counting;
use crate::crowd::{Random, create_sessions, keys, median, policy};
use crate::load::{Outcome, send};

const SESSIONS: u64 = 100_000;
/// How many requests come in a second. The people's first ones are spread over ten, five and two
/// seconds.
const PACES: [u64; 3] = [10_000, 20_000, 50_000];
/// The pace for a policy that writes the activity of each request.
const EXACT_PACE: u64 = 20_000;
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
    for pace in PACES {
        let name = format!("cold.{name}.touch_every.{pace}");
        measure_pace(&name, url, policy()?, pace).await?;
    }
    let name = format!("cold.{name}.exact.{EXACT_PACE}");
    measure_pace(&name, url, Policy::default(), EXACT_PACE).await
}

/// What one round measured, in milliseconds.
struct Round {
    cold: [f64; 3],
    warm: [f64; 3],
}

async fn measure_pace(name: &str, url: &str, policy: Policy, pace: u64) -> Result<(), BoxError> {
    let store = AnyStore::connect(url).await?;
    let keys = shuffled();
    let (mut rounds, mut errors) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        // The activity of half of them is due to be written.
        create_sessions(&store, SESSIONS).await?;
        let counting = Counting::over(store.clone());
        // A shard that is full would forget sessions, and the second request would be a question.
        let node = CachedStore::builder(counting.clone())
            .with_capacity(2 * SESSIONS as usize)
            .build()?;
        let request = |number: u64| (node.clone(), keys[number as usize]);
        let mut cold = send(SESSIONS, pace, policy, request).await;
        let asked = counting.counted();
        let mut warm = send(SESSIONS, pace, policy, request).await;
        println!(
            "{name}.store cold {asked:?}, warm {:?}",
            counting.counted().since(asked)
        );
        errors += cold.errors() + warm.errors();
        rounds.push(Round {
            cold: percentiles(&mut cold),
            warm: percentiles(&mut warm),
        });
        if let Err(error) = node.flush(Duration::from_secs(30)).await {
            println!("{name}.flush {error}");
        }
    }
    for (index, percentile) in ["p50", "p99", "longest"].into_iter().enumerate() {
        let cold = rounds.iter().map(|round| round.cold[index]);
        let warm = rounds.iter().map(|round| round.warm[index]);
        let (cold, warm) = (median(cold.collect()), median(warm.collect()));
        println!("{name}.cold_{percentile} {cold:.1} ms");
        println!("{name}.warm_{percentile} {warm:.1} ms");
    }
    let over: Vec<f64> = rounds
        .iter()
        .map(|round| round.cold[1] - round.warm[1])
        .collect();
    println!(
        "{name}.p99_over_warm {:.1} ms, of {over:.1?}",
        median(over.clone())
    );
    println!("{name}.errors {errors} requests");
    Ok(())
}

fn percentiles(outcome: &mut Outcome) -> [f64; 3] {
    [50.0, 99.0, 100.0].map(|percent| outcome.millis(percent))
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
