//! Measures how long an answer from a near cache takes.
//!
//! Prints lines of `name value unit`. A `MemoryStore` is behind the cache, so that checks and
//! flushes in the background cost next to nothing. They are included.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, CachedStore, Clock, MemoryStore, Policy, SessionKey,
    SystemClock, Timestamp,
};

const ROUND: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let exact = Policy::default();
    let rarely = Policy::builder()
        .with_touch_every(Duration::from_secs(60))
        .build()?;
    for (name, sessions) in [("hot_1", 1), ("hot_1k", 1_000), ("hot_50k", 50_000)] {
        for (how, policy) in [("exact", exact), ("touch_every", rarely)] {
            for callers in [1, 2] {
                measure(
                    &format!("cached.{name}.{how}.{callers}"),
                    sessions,
                    policy,
                    callers,
                )
                .await?;
            }
        }
    }
    Ok(())
}

/// Lets callers touch one random session after the other, and prints how long a touch takes.
async fn measure(name: &str, sessions: u64, policy: Policy, callers: u64) -> Result<(), BoxError> {
    let store = CachedStore::new(MemoryStore::new());
    let keys: Vec<_> = (0..sessions)
        .map(|number| SessionKey::of(number.to_string()))
        .collect();
    for &key in &keys {
        let activity = Activity::began(SystemClock.now());
        store.create(key, activity, Timestamp::MAX).await?;
        store.touch(key, policy.touch(SystemClock.now())).await?;
    }
    let mut calling = JoinSet::new();
    for caller in 0..callers {
        let (store, keys) = (store.clone(), keys.clone());
        calling.spawn(async move {
            let (start, mut random, mut nanos) = (Instant::now(), caller, Vec::new());
            while start.elapsed() < ROUND {
                for _ in 0..64 {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let key = keys[(random >> 33) as usize % keys.len()];
                    let touch = policy.touch(SystemClock.now());
                    let asked = Instant::now();
                    let found = store.touch(key, touch).await?;
                    nanos.push(asked.elapsed().as_nanos() as u32);
                    assert!(found.is_some());
                }
                tokio::task::yield_now().await;
            }
            Ok::<_, BoxError>(nanos)
        });
    }
    let mut nanos = Vec::new();
    while let Some(caller) = calling.join_next().await {
        nanos.extend(caller??);
    }
    nanos.sort_unstable();
    for (percentile, part) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let nanos = nanos[(nanos.len() - 1) * part / 1_000];
        println!("{name}.{percentile} {nanos} ns");
    }
    Ok(())
}
