//! The background task that reads the map of a Cluster again when it is old.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, ErrorKind, RedisError, RedisResult, cmd};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::address::Address;
use super::cluster_map::ClusterMap;
use super::slots::read_slots;
use super::time_limit::within;
use crate::store::random::{jittered, random};

/// The pauses between two refreshes. They grow as long as the map is wanted again soon, so that the
/// nodes of an application do not flood a Cluster in which one node stays down.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
const GROWTH: f64 = 1.25;

/// Reads the map again in the background. Dropping it ends that.
pub(super) struct Refresh {
    wanted: Arc<Notify>,
    task: AbortHandle,
}

impl Refresh {
    /// Reads the map, and starts the background task.
    pub(super) async fn start(
        map: Arc<ClusterMap>,
        seeds: Vec<ConnectionInfo>,
    ) -> RedisResult<Self> {
        let seeds: Vec<Address> = seeds.iter().filter_map(Address::of).collect();
        read_map(&map, &seeds).await?;
        let wanted = Arc::<Notify>::default();
        let task = tokio::spawn(refresh(map, seeds, Arc::clone(&wanted)));
        Ok(Self {
            wanted,
            task: task.abort_handle(),
        })
    }

    /// Has the map read again soon. Nobody waits for it.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn refresh(map: Arc<ClusterMap>, seeds: Vec<Address>, wanted: Arc<Notify>) {
    let mut longest = FIRST_PAUSE;
    loop {
        // Where no operation asks for it, an idle store still looks whether a node is down.
        let is_wanted = timeout(jittered(LONGEST_PAUSE), wanted.notified()).await;
        if is_wanted.is_err() && map.nodes().iter().all(|node| node.is_up()) {
            longest = FIRST_PAUSE;
            continue;
        }
        // A refresh that fails leaves the map as it is. The next operation that needs it asks
        // again.
        _ = read_map(&map, &seeds).await;
        sleep(jittered(longest)).await;
        longest = longest.mul_f64(GROWTH).min(LONGEST_PAUSE);
    }
}

/// Reads the map from the first node that answers. Asks the known nodes that are up, and then the
/// nodes of the URL.
async fn read_map(map: &ClusterMap, seeds: &[Address]) -> RedisResult<()> {
    let mut last_error = RedisError::from((
        ErrorKind::ClusterConnectionNotFound,
        "no node of the Cluster is up",
    ));
    let limit = map.settings.limit;
    let nodes = map.nodes();
    for node in in_random_order(&nodes) {
        let Some(mut connection) = node.connection.if_up() else {
            continue;
        };
        match within(limit, ask(map, &mut connection, &node.address)).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                node.connection.doubt();
                last_error = error;
            }
        }
    }
    let is_known = |seed: &Address| nodes.iter().any(|node| node.address == *seed);
    for seed in in_random_order(seeds).filter(|seed| !is_known(seed)) {
        let answer = async {
            let (mut connection, _) = map.settings.connector(seed).connect().await?;
            within(limit, ask(map, &mut connection, seed)).await
        };
        match answer.await {
            Ok(()) => return Ok(()),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

async fn ask(
    map: &ClusterMap,
    connection: &mut MultiplexedConnection,
    node: &Address,
) -> RedisResult<()> {
    let mut question = cmd("CLUSTER");
    question.arg("SLOTS");
    let answer = connection.send_packed_command(&question).await?;
    map.replace(read_slots(answer.extract_error()?, &node.host)?);
    Ok(())
}

fn in_random_order<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let mut order: Vec<&T> = all.iter().collect();
    order.sort_by_cached_key(|_| random());
    order.into_iter()
}
