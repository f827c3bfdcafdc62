//! What the cache saves at the pace at which people click.

use std::time::Duration;

use tokio::time::sleep;
use tower_login_timeout::{ActivityStore, CachedStore, Policy, SessionKey};

use super::world::{SECOND, World, settle};

/// How many people there are. Their requests are spread over the time between two of them.
const PEOPLE: u32 = 40;
const MINUTES: u64 = 10;

/// People who click at a steady pace, on several nodes.
struct Crowd {
    every: Duration,
    nodes: usize,
    touch_every: Duration,
}

impl Crowd {
    /// Returns how many operations of the shared store a request costs: each session that is asked
    /// for, and each touch that is written.
    async fn operations_for_each_request(&self) -> f64 {
        let policy = Policy::builder().with_touch_every(self.touch_every);
        let world = World::with(|builder| builder, policy.build().unwrap());
        let nodes: Vec<_> = (0..self.nodes)
            .map(|_| CachedStore::new(world.shared.clone()))
            .collect();
        let mut random = Random(7);
        let mut requests = 0_u32;
        for person in 0..PEOPLE {
            world.begin(&person.to_string()).await;
        }
        let rounds = MINUTES * 60_000 / u64::try_from(self.every.as_millis()).unwrap();
        for _ in 0..rounds {
            for person in 0..PEOPLE {
                let key = SessionKey::of(person.to_string());
                let node = &nodes[random.below(self.nodes)];
                let touch = world.policy.touch(world.now());
                let found = node.touch(key, touch).await.unwrap();
                assert!(found.is_some());
                requests += 1;
                sleep(self.every / PEOPLE).await;
            }
        }
        settle().await;
        let written: usize = world.shared.batches().iter().map(Vec::len).sum();
        let operations = u32::try_from(world.shared.questions() + written).unwrap();
        f64::from(operations) / f64::from(requests)
    }
}

/// A generator of numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // SplitMix64, by Sebastiano Vigna.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

async fn costs_at_most(name: &str, crowd: Crowd, most: f64) {
    let operations = crowd.operations_for_each_request().await;
    // `scripts/bench-peers` reads it.
    println!("pace {name} {operations:.4}");
    assert!(operations <= most, "{operations} operations a request");
}

macro_rules! paces {
    ($($name:ident: $millis:literal ms, $nodes:literal nodes, $seconds:literal s, $most:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let crowd = Crowd {
                every: Duration::from_millis($millis),
                nodes: $nodes,
                touch_every: $seconds * SECOND,
            };
            costs_at_most(stringify!($name), crowd, $most).await;
        }
    )*};
}

paces! {
    two_requests_a_second_with_an_exact_policy: 500 ms, 1 nodes, 0 s, 0.6;
    a_request_each_two_seconds_with_an_exact_policy: 2_000 ms, 1 nodes, 0 s, 1.0;
    a_request_each_two_seconds: 2_000 ms, 1 nodes, 30 s, 0.1;
    a_request_each_four_seconds: 4_000 ms, 1 nodes, 30 s, 0.17;
    a_request_each_two_seconds_on_four_nodes: 2_000 ms, 4 nodes, 30 s, 0.35;
    a_request_each_two_seconds_on_twenty_nodes: 2_000 ms, 20 nodes, 30 s, 1.0;
}
