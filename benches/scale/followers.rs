//! What a revocation costs Redis while nodes follow its log of changes.

use std::time::Duration;

use tokio::time::sleep;
use tower_login_timeout::{
    ActivityStore, BoxError, CachedStore, Clock, RedisStore, SystemClock, Timestamp,
};

use crate::common::redis::{one_with, url};
use crate::crowd::{create_sessions, key, policy};
use crate::redis_info::{command, cpu_micros, reset};

const FOLLOWERS: [u64; 4] = [1, 10, 100, 1_000];
const REVOCATIONS: u64 = 400;
/// Forty revocations a second.
const PAUSE: Duration = Duration::from_millis(25);

pub(crate) fn run() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for followers in FOLLOWERS {
            measure(followers).await?;
        }
        Ok(())
    })
}

/// Each node has a connection of its own, and knows one session.
async fn measure(followers: u64) -> Result<(), BoxError> {
    let server = one_with(&[]);
    let writer = RedisStore::connect(&url(&server)).await?;
    create_sessions(&writer, followers + REVOCATIONS).await?;
    let policy = policy()?;
    let mut nodes = Vec::new();
    for number in 0..followers {
        let node = CachedStore::new(RedisStore::connect(&url(&server)).await?);
        node.touch(key(number), policy.touch(SystemClock.now()))
            .await?;
        nodes.push(node);
    }
    // The script is loaded before the counting starts.
    writer.revoke(key(followers), Timestamp::MAX).await?;
    sleep(Duration::from_secs(2)).await;

    reset(&[&server]);
    let (start, cpu) = (tokio::time::Instant::now(), cpu_micros(&[&server]));
    for number in 1..REVOCATIONS {
        writer
            .revoke(key(followers + number), Timestamp::MAX)
            .await?;
        sleep(PAUSE).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu = cpu_micros(&[&server]) - cpu;
    let (revoke, read) = (
        command(&[&server], "evalsha"),
        command(&[&server], "xrange"),
    );
    let name = format!("followers.{followers}");
    println!(
        "{name}.revocation {:.1} us in Redis",
        revoke.micros_a_call()
    );
    println!(
        "{name}.scripts {:.2} /revocation",
        revoke.calls as f64 / (REVOCATIONS - 1) as f64
    );
    println!("{name}.log_read {:.1} us in Redis", read.micros_a_call());
    let reads = read.calls as f64 / seconds / followers as f64;
    println!("{name}.log_reads {reads:.2} /s and node");
    println!("{name}.server_cpu {:.1} % of a core", cpu / seconds / 1e4);
    drop(nodes);
    Ok(())
}
