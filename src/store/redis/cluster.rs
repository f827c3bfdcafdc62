//! A Cluster: which node gets a command, and what follows from its answer.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, ConnectionInfo, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::{Instant, sleep};

use super::address::Address;
use super::cluster_map::ClusterMap;
use super::node::{Node, NodeSettings};
use super::refresh::Refresh;
use super::slots::slot_of;
use crate::store::random::jittered;

/// The pauses before a command is sent again.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How many redirections a command follows without a pause.
const WITHOUT_PAUSE: usize = 3;

/// The nodes of a Cluster. A node that is lost or hangs fails the commands on its own slots.
pub(super) struct Cluster {
    map: Arc<ClusterMap>,
    refresh: Refresh,
    /// For how long a command is sent again. Then its error says more than a time-out.
    patience: Duration,
}

/// What follows from an error.
enum Step {
    Fail,
    /// The slot has moved: its new owner is noted.
    Moved,
    /// The slot is being moved: this node has the key.
    Ask(Arc<Node>),
    /// The nodes do not agree yet, or cannot serve the slot at the moment.
    Pause,
}

impl Cluster {
    /// Reads the map of the Cluster from one of these nodes, and begins to connect to the others.
    pub(super) async fn connect(
        seeds: Vec<ConnectionInfo>,
        settings: NodeSettings,
    ) -> RedisResult<Self> {
        let patience = settings.limit * 3 / 4;
        let map = Arc::new(ClusterMap::new(settings));
        let refresh = Refresh::start(Arc::clone(&map), seeds).await?;
        Ok(Self {
            map,
            refresh,
            patience,
        })
    }

    /// Has the map read again soon, since an answer looked wrong or is missing.
    pub(super) fn doubt(&self) {
        self.refresh.want();
    }

    /// Sends commands together to the node that has the key, wherever that is now.
    pub(super) async fn send(&self, key: &str, commands: &[&Cmd]) -> RedisResult<Value> {
        let slot = slot_of(key);
        let start = Instant::now();
        let mut asked: Option<Arc<Node>> = None;
        let mut redirections = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            let is_asked = asked.is_some();
            let node = asked.take().or_else(|| self.map.owner(slot));
            let answer = match &node {
                Some(node) if is_asked => node.send_asking(commands).await,
                Some(node) => node.send(commands).await,
                None => Err(no_owner()),
            };
            let Err(error) = answer else {
                return answer;
            };
            redirections += 1;
            match self.step_after(&error, slot, node.as_deref()) {
                Step::Fail => return Err(error),
                Step::Ask(node) => asked = Some(node),
                Step::Moved if redirections <= WITHOUT_PAUSE => {}
                Step::Moved | Step::Pause => {
                    if start.elapsed() >= self.patience {
                        return Err(error);
                    }
                    sleep(jittered(pause)).await;
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn step_after(&self, error: &RedisError, slot: usize, node: Option<&Node>) -> Step {
        let kind = match error.kind() {
            ErrorKind::Server(kind) => kind,
            ErrorKind::ClusterConnectionNotFound => ServerErrorKind::ClusterDown,
            kind => {
                if kind == ErrorKind::Io || node.is_some_and(|node| !node.is_up()) {
                    self.refresh.want();
                }
                // The command may have taken effect, so it is not sent again.
                return Step::Fail;
            }
        };
        match kind {
            ServerErrorKind::Moved => {
                self.refresh.want();
                let Some(node) = self.redirected(error, node) else {
                    return Step::Pause;
                };
                self.map.note(slot, &node);
                Step::Moved
            }
            ServerErrorKind::Ask => self.redirected(error, node).map_or(Step::Pause, Step::Ask),
            ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly => {
                self.refresh.want();
                Step::Pause
            }
            ServerErrorKind::TryAgain | ServerErrorKind::BusyLoading => Step::Pause,
            _ => Step::Fail,
        }
    }

    /// Returns the node that a redirection names, unless it names none.
    fn redirected(&self, error: &RedisError, answering: Option<&Node>) -> Option<Arc<Node>> {
        let (address, _) = error.redirect_node()?;
        let address = Address::read(address, &answering?.address.host)?;
        Some(self.map.node_at(address))
    }
}

fn no_owner() -> RedisError {
    RedisError::from((
        ErrorKind::ClusterConnectionNotFound,
        "no node of the Cluster is known to have the slot",
    ))
}
