//! What a revocation costs Redis while nodes follow its log of changes.

use std::time::Duration;

use tokio::time::sleep;
use tower_login_timeout::{
    ActivityStore, BoxError, CachedStore, Clock, RedisStore, SystemClock, Timestamp,
};

use crate::common::redis::{one_with, url};
use crate::crowd::{create_sessions, key, policy};
use crate::redis_info::{command, cpu_micros, median_micros, reset};

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
    for _ in 0..followers {
        nodes.push(CachedStore::new(RedisStore::connect(&url(&server)).await?));
    }
    // The first touch starts to follow the log. What was learned before that is asked again.
    while nodes.iter().any(CachedStore::is_empty) {
        for (number, node) in nodes.iter().enumerate() {
            let touch = policy.touch(SystemClock.now());
            node.touch(key(number as u64), touch).await?;
        }
        sleep(Duration::from_millis(500)).await;
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
    let name = format!("followers.{followers}");
    let (revoke, read) = (
        command(&[&server], "evalsha"),
        command(&[&server], "xrange"),
    );
    for (what, command, name_in_redis) in [
        ("revocation", revoke, "evalsha"),
        ("log_read", read, "xrange"),
    ] {
        let (median, mean) = (
            median_micros(&server, name_in_redis),
            command.micros_a_call(),
        );
        println!("{name}.{what} {median:.1} us in Redis at the median, {mean:.1} us on average");
    }
    let scripts = revoke.calls as f64 / (REVOCATIONS - 1) as f64;
    println!("{name}.scripts {scripts:.2} /revocation");
    let reads = read.calls as f64 / seconds / followers as f64;
    println!("{name}.log_reads {reads:.2} /s and node");
    let cpu = cpu / seconds / 1e4;
    println!("{name}.server_cpu {cpu:.1} % of a core");
    drop(nodes);
    Ok(())
}
