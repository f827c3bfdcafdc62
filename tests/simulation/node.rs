//! The nodes: a layer, a store as the node sees it, a clock; how they start, stop and die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::sleep;
use tower::{Layer, Service};
use tower_login_timeout::{
    ActivityStore, CachedStore, CookieId, LoginTimeout, LoginTimeoutLayer, ResponseBody,
    ResponseFuture, StoreClock, Tracker, rule,
};

use super::clock::NodeClock;
use super::facts::Instance;
use super::handler::Call;
use super::link::Link;
use super::settings::{Cache, ClockSettings, NearSettings};
use super::site::Site;
use super::world::World;

/// How long a node that stops waits for open requests, and then for its last flush.
const DRAIN: Duration = Duration::from_secs(2);
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// A node, which runs or does not.
#[derive(Default)]
pub struct Node {
    pub running: Option<Running>,
    /// How often it was started. A start that was overtaken by another does nothing.
    starts: u64,
}

/// A node that runs.
#[derive(Clone)]
pub struct Running {
    pub instance: usize,
    pub clock: NodeClock,
    pub service: NodeService,
    pub tracker: Tracker,
    pub life: Life,
    link: Link,
}

/// Whether a process still runs.
#[derive(Clone)]
pub struct Life(Arc<AtomicBool>);

/// The service of a node, with a near cache or without.
#[derive(Clone)]
pub enum NodeService {
    Plain(LoginTimeout<Site, Link>),
    Near(LoginTimeout<Site, CachedStore<Link>>, CachedStore<Link>),
}

/// Starts a node. A node whose clock follows the store starts when the store has told the time.
pub fn start(world: &Arc<World>, node: usize) {
    let starts = {
        let node = &mut world.nodes.lock().unwrap()[node];
        node.starts += 1;
        node.starts
    };
    let link = Link::new(Arc::clone(world), node);
    match world.settings.nodes[node].clock {
        ClockSettings::Own { .. } => {
            let clock = NodeClock::Own(Arc::clone(&world.clocks[node]));
            run(world, node, starts, link, clock);
        }
        ClockSettings::FollowsStore => {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                loop {
                    let asked = link.clone();
                    let clock = StoreClock::follow(move || {
                        let link = asked.clone();
                        async move { link.time().await }
                    });
                    let within = Duration::from_secs(2);
                    if let Ok(Ok(clock)) = tokio::time::timeout(within, clock).await {
                        return run(&world, node, starts, link, NodeClock::Store(clock));
                    }
                    sleep(Duration::from_secs(1)).await;
                }
            });
        }
    }
}

fn run(world: &Arc<World>, node: usize, starts: u64, link: Link, clock: NodeClock) {
    let now_starts = world.nodes.lock().unwrap()[node].starts;
    if now_starts != starts {
        return;
    }
    let instance = {
        let mut facts = world.facts.lock().unwrap();
        facts.instances.push(Instance {
            node,
            clock_set: None,
            gone: None,
            killed: None,
        });
        facts.instances.len() - 1
    };
    world.trace(|| format!("node {node} runs"));
    let site = |tracker: &Tracker| Site {
        world: Arc::clone(world),
        clock: clock.clone(),
        instance,
        tracker: tracker.clone(),
    };
    let (service, tracker) = match world.settings.nodes[node].cache {
        Cache::None => {
            let layer = layer(world, link.clone(), &clock);
            let tracker = layer.tracker();
            (NodeService::Plain(layer.layer(site(&tracker))), tracker)
        }
        Cache::Near => {
            let store = near_cache(&world.settings.near, &link);
            let layer = layer(world, store.clone(), &clock);
            let tracker = layer.tracker();
            (
                NodeService::Near(layer.layer(site(&tracker)), store),
                tracker,
            )
        }
    };
    world.nodes.lock().unwrap()[node].running = Some(Running {
        instance,
        clock,
        service,
        tracker,
        life: Life(Arc::new(AtomicBool::new(true))),
        link,
    });
}

fn near_cache(settings: &NearSettings, link: &Link) -> CachedStore<Link> {
    CachedStore::builder(link.clone())
        .with_max_staleness(Duration::from_millis(settings.max_staleness))
        .with_max_stale_on_error(Duration::from_millis(settings.max_stale_on_error))
        .with_flush_every(Duration::from_millis(settings.flush_every))
        // One shard: with several, the seeded hash of a key would decide which sessions share one,
        // and runs of one seed would differ.
        .with_capacity(500)
        .build()
        .unwrap()
}

fn layer<St: ActivityStore>(
    world: &Arc<World>,
    store: St,
    clock: &NodeClock,
) -> LoginTimeoutLayer<St> {
    let layer = LoginTimeoutLayer::new(world.settings.policy, CookieId::new("sid").unwrap(), store)
        .with_passive(rule::path_prefix("/passive"))
        .with_exempt(rule::path_prefix("/exempt"))
        .with_clock(clock.clone());
    match &world.settings.visitors {
        Some(visitors) => layer.with_visitors(visitors.rule()),
        None => layer,
    }
}

/// Kills a node. What it has gathered is lost, and its requests are not answered.
pub fn kill(world: &Arc<World>, node: usize, down: u64) {
    let Some(running) = world.nodes.lock().unwrap()[node].running.take() else {
        return;
    };
    end(world, &running, Some(world.agenda.now()));
    start_again(world, node, down);
}

/// Stops a node: it takes no more requests, has open ones finished, and writes what it has
/// gathered.
pub fn stop(world: &Arc<World>, node: usize, down: u64) {
    let Some(running) = world.nodes.lock().unwrap()[node].running.take() else {
        return;
    };
    let world = Arc::clone(world);
    tokio::spawn(async move {
        sleep(DRAIN).await;
        let began = world.agenda.now();
        let killed = match &running.service {
            NodeService::Near(_, store) => store.flush(FLUSH_WITHIN).await.err().map(|_| began),
            NodeService::Plain(_) => None,
        };
        let now = world.agenda.now();
        let facts = world.facts.lock().unwrap();
        let is_in_time = now - began <= FLUSH_WITHIN.as_millis() as u64 + 1;
        world.judge(&facts, |_| match is_in_time {
            true => Ok(()),
            false => Err("a flush ends in the time that it is given"),
        });
        let is_well = killed.is_none()
            || !world
                .troubles
                .is_calm(node, began.saturating_sub(15_000), now);
        world.judge(&facts, |_| match is_well {
            true => Ok(()),
            false => Err("a flush to a store that works succeeds"),
        });
        drop(facts);
        end(&world, &running, killed);
        start_again(&world, node, down);
    });
}

fn end(world: &Arc<World>, running: &Running, killed: Option<u64>) {
    running.link.cut();
    running.life.0.store(false, Ordering::Relaxed);
    let mut facts = world.facts.lock().unwrap();
    let instance = &mut facts.instances[running.instance];
    instance.gone = Some(world.agenda.now());
    instance.killed = killed;
}

fn start_again(world: &Arc<World>, node: usize, down: u64) {
    let starting = Arc::clone(world);
    let at = world.agenda.now() + down;
    world.agenda.at(at, move || start(&starting, node));
}

impl Life {
    pub fn is_over(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

/// What a node answers with.
pub type NodeFuture = std::pin::Pin<Box<dyn Future<Output = Response<ResponseBody<()>>> + Send>>;

impl NodeService {
    pub fn call(&mut self, request: Request<Call>) -> NodeFuture {
        fn boxed<St: ActivityStore>(future: ResponseFuture<Site, St, Call>) -> NodeFuture {
            Box::pin(async move { future.await.unwrap_or_else(|never| match never {}) })
        }
        match self {
            Self::Plain(service) => boxed(service.call(request)),
            Self::Near(service, _) => boxed(service.call(request)),
        }
    }
}
