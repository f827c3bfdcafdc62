//! One master of a Cluster is killed under load, and its replica takes over.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_login_timeout::{BoxError, CachedStore, RedisStore};

use crate::common::redis::{Cluster, cli};
use crate::counting::Counting;
use crate::crowd::{create_sessions, key, policy};
use crate::load::{Answer, Found, send, send_each};

const MASTERS: usize = 3;
const NODES: u64 = 10;
/// People whom their node knows.
const KNOWN: u64 = 10_000;
const PER_SECOND: u64 = 5_000;
/// Every tenth request is of a session that its node does not know.
const ONE_IN: u64 = 10;
const KILLED_AFTER: Duration = Duration::from_secs(5);
const RUN: Duration = Duration::from_secs(25);
/// How long a master may be silent before its replica takes over, in milliseconds. It is longer
/// than the near cache's `max_staleness`. The default of Redis is 15 seconds.
const NODE_TIMEOUT: &str = "8000";

pub(crate) fn run() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        measure(Lost::Another).await?;
        measure(Lost::WithLog).await
    })
}

/// Which master is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// The one that has the log of changes.
    WithLog,
    Another,
}

async fn measure(lost: Lost) -> Result<(), BoxError> {
    let mut cluster = Cluster::start(MASTERS, 1);
    for node in &cluster.nodes {
        cli(
            node.port(),
            &["CONFIG", "SET", "cluster-node-timeout", NODE_TIMEOUT],
        );
    }
    let first = RedisStore::connect(&cluster.url()).await?;
    let requests = PER_SECOND * RUN.as_secs();
    create_sessions(&first, KNOWN + requests / ONE_IN).await?;
    let mut stores = Vec::new();
    for _ in 0..NODES {
        stores.push(Counting::over(RedisStore::connect(&cluster.url()).await?));
    }
    let nodes: Vec<_> = stores.iter().cloned().map(CachedStore::new).collect();
    let questions = || -> u64 {
        stores
            .iter()
            .map(|store| store.counted().operations())
            .sum()
    };
    let policy = policy()?;
    let node_of = |number: u64| nodes[(number % NODES) as usize].clone();
    let known = |number: u64| (node_of(number), key(number % KNOWN));
    send(2 * KNOWN, PER_SECOND, policy, known).await;

    // A new session is used once.
    let request = |number: u64| match number % ONE_IN {
        0 => (node_of(number / ONE_IN), key(KNOWN + number / ONE_IN)),
        _ => known(number),
    };
    let asked = questions();
    let sending = send_each(requests, PER_SECOND, policy, request);
    let killing = async {
        sleep(KILLED_AFTER).await;
        let index = index_of(&cluster, lost);
        tokio::task::block_in_place(|| cluster.nodes[index].kill());
        Instant::now()
    };
    let (answers, killed) = tokio::join!(sending, killing);
    let is_new = |answer: &Answer| answer.number.is_multiple_of(ONE_IN);
    let (new, known): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(is_new);
    let asked = (questions() - asked) as f64 / requests as f64;
    println!("lost_shard.{lost:?}.operations {asked:.3} /request");
    report(&format!("lost_shard.{lost:?}.known"), &known, killed);
    report(&format!("lost_shard.{lost:?}.new"), &new, killed);
    Ok(())
}

/// Returns which of the masters, which come first, has the slot of the log or has not.
fn index_of(cluster: &Cluster, lost: Lost) -> usize {
    let slot = cli(
        cluster.nodes[0].port(),
        &["CLUSTER", "KEYSLOT", "login-timeout:changes"],
    );
    let slot: u32 = slot.trim().parse().unwrap_or_default();
    let has_log = |index: &usize| {
        let about = cli(cluster.nodes[*index].port(), &["CLUSTER", "NODES"]);
        let myself = about.lines().find(|line| line.contains("myself"));
        let ranges = myself.into_iter().flat_map(|line| line.split(' ').skip(8));
        let mut ranges = ranges.filter_map(|range| range.split_once('-'));
        ranges.any(|(from, to)| {
            let from: u32 = from.parse().unwrap_or(u32::MAX);
            let to: u32 = to.parse().unwrap_or_default();
            (from..=to).contains(&slot)
        })
    };
    (0..MASTERS)
        .find(|index| has_log(index) == (lost == Lost::WithLog))
        .expect("a master")
}

/// Prints how many requests were not answered, and when, counted from the kill.
fn report(name: &str, answers: &[Answer], killed: Instant) {
    let failed: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.found != Found::Live)
        .collect();
    let after = |answer: &&Answer| answer.due.saturating_duration_since(killed);
    let last = failed.iter().map(after).max().unwrap_or_default();
    let unknown = failed
        .iter()
        .filter(|it| it.found == Found::Unknown)
        .count();
    let sent = |answer: &&Answer| answer.due >= killed && answer.due <= killed + last;
    let meanwhile = answers.iter().filter(sent).count();
    println!("{name}.failed {} of {}", failed.len(), answers.len());
    println!("{name}.unknown {unknown}");
    println!(
        "{name}.last_failure {:.2} s after the kill",
        last.as_secs_f64()
    );
    println!(
        "{name}.failed_meanwhile {:.1} %",
        100.0 * failed.len() as f64 / meanwhile.max(1) as f64
    );
    let slow = answers
        .iter()
        .filter(|it| it.due >= killed && it.micros > 200_000)
        .count();
    println!("{name}.slower_than_200_ms {slow}");
}
