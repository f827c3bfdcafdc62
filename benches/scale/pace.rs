//! What people who send a request each two seconds cost the store: first in virtual time, then on a
//! real Cluster.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, CachedStore, MemoryStore, RedisStore, SharedStore, Timestamp,
};

use crate::common::redis::Cluster;
use crate::common::servers::Server;
use crate::counting::{Counted, Counting};
use crate::crowd::{Random, create_sessions, key, policy};
use crate::load::send;
use crate::redis_info::{command, cpu_micros, reset, sent};

/// How often one person sends a request.
const EVERY: Duration = Duration::from_secs(2);
/// The requests before this time fill the nodes, and are not counted.
const WARM: Duration = Duration::from_secs(65);
const COUNTED: Duration = Duration::from_secs(60);
/// People do not depend on each other, so in virtual time a few are enough.
const VIRTUAL_PEOPLE: u64 = 500;

/// Says which node a request goes to.
#[derive(Clone, Copy)]
enum Routing {
    /// The node that its person's requests always go to.
    Sticky,
    /// Any node.
    Any,
}

struct Site {
    name: &'static str,
    nodes: u64,
    people: u64,
    routing: Routing,
}

const SITES: [Site; 2] = [
    Site {
        name: "10_nodes_sticky",
        nodes: 10,
        people: 20_000,
        routing: Routing::Sticky,
    },
    Site {
        name: "1000_nodes",
        nodes: 1_000,
        people: 10_000,
        routing: Routing::Any,
    },
];

pub(crate) fn run() -> Result<(), BoxError> {
    for site in SITES {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()?
            .block_on(site.in_virtual_time())?;
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(site.on_a_cluster())?;
    }
    Ok(())
}

impl Routing {
    fn node(self, person: u64, nodes: u64, random: &mut Random) -> usize {
        let node = match self {
            Self::Sticky => person % nodes,
            Self::Any => random.below(nodes),
        };
        node as usize
    }
}

impl Site {
    async fn in_virtual_time(&self) -> Result<(), BoxError> {
        let people = self.people.min(VIRTUAL_PEOPLE);
        let counting = Counting::over(MemoryStore::new());
        let (policy, start) = (policy()?, Instant::now());
        let now = || Timestamp::from_unix_millis(1_800_000_000_000).saturating_add(start.elapsed());
        for person in 0..people {
            let activity = Activity::began(now());
            counting
                .create(key(person), activity, Timestamp::MAX)
                .await?;
        }
        let nodes = self.nodes_over(|| counting.clone())?;
        let mut random = Random(7);
        let (mut requests, mut before) = (0_u64, None);
        while start.elapsed() < WARM + COUNTED {
            for person in 0..people {
                if before.is_none() && start.elapsed() >= WARM {
                    (requests, before) = (0, Some(counting.counted()));
                }
                let node = self.routing.node(person, self.nodes, &mut random);
                nodes[node].touch(key(person), policy.touch(now())).await?;
                requests += 1;
                sleep(EVERY / people as u32).await;
            }
        }
        let counted = counting.counted().since(before.unwrap_or_default());
        self.report("virtual", requests, counted);
        Ok(())
    }

    async fn on_a_cluster(&self) -> Result<(), BoxError> {
        let cluster = Cluster::start(4, 0);
        let servers: Vec<&Server> = cluster.nodes.iter().collect();
        let policy = policy()?;
        let first = RedisStore::connect(&cluster.url()).await?;
        create_sessions(&first, self.people).await?;
        let mut stores = Vec::new();
        for _ in 0..self.nodes {
            stores.push(Counting::over(RedisStore::connect(&cluster.url()).await?));
        }
        let mut remaining = stores.iter().cloned();
        let nodes = self.nodes_over(|| remaining.next().expect("a store for each node"))?;
        let per_second = self.people * 1_000 / EVERY.as_millis() as u64;
        let mut random = Random(7);
        let mut request = |number: u64| {
            let person = number % self.people;
            let node = self.routing.node(person, self.nodes, &mut random);
            (nodes[node].clone(), key(person))
        };
        let warm = send(
            per_second * WARM.as_secs(),
            per_second,
            policy,
            &mut request,
        )
        .await;
        let before: Vec<Counted> = stores.iter().map(Counting::counted).collect();
        reset(&servers);
        let cpu = cpu_micros(&servers);
        let requests = per_second * COUNTED.as_secs();
        let start = Instant::now();
        let mut outcome = send(requests, per_second, policy, &mut request).await;
        let seconds = start.elapsed().as_secs_f64();

        let mut counted = Counted::default();
        for (store, before) in stores.iter().zip(before) {
            counted = counted.plus(store.counted().since(before));
        }
        self.report("cluster", requests, counted);
        let name = format!("pace.{}.cluster", self.name);
        let commands = sent(&servers);
        println!("{name}.commands {:.0} /s", commands as f64 / seconds);
        for name_in_redis in ["evalsha", "xrange"] {
            let calls = command(&servers, name_in_redis).calls as f64 / seconds;
            println!("{name}.{name_in_redis} {calls:.0} /s");
        }
        let cpu = cpu_micros(&servers) - cpu;
        println!(
            "{name}.server_cpu {:.1} us/command",
            cpu / commands.max(1) as f64
        );
        println!("{name}.p99 {:.1} ms", outcome.millis(99.0));
        println!("{name}.errors_while_cold {}", warm.errors());
        println!("{name}.errors {} of {requests}", outcome.errors());
        Ok(())
    }

    fn nodes_over<S: SharedStore>(
        &self,
        mut store: impl FnMut() -> S,
    ) -> Result<Vec<CachedStore<S>>, BoxError> {
        let capacity = 2 * self.people as usize;
        let node = |_| {
            let node = CachedStore::builder(store()).with_capacity(capacity);
            Ok(node.build()?)
        };
        (0..self.nodes).map(node).collect()
    }

    fn report(&self, how: &str, requests: u64, counted: Counted) {
        let name = format!("pace.{}.{how}", self.name);
        let each = |count: u64| count as f64 / requests.max(1) as f64;
        println!(
            "{name}.operations {:.3} /request",
            each(counted.operations())
        );
        println!("{name}.questions {:.3} /request", each(counted.touches));
        println!("{name}.written {:.3} /request", each(counted.batched));
        println!("{name}.log_reads {:.3} /request", each(counted.log_reads));
    }
}
