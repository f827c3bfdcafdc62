//! How is a connection to Redis configured?

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{ConnectionInfo, ProtocolVersion};

use super::error::RedisStoreError;
use super::finder::{Finder, Whom};
use super::gather::Gathering;
use super::link::Link;
use super::place::Place;
use super::push::Announcements;
use super::sentinel::Sentinels;
use super::servers::{Careful, Servers};
use super::tls::Tls;
use crate::store::redis::redis_store::RedisStore;

/// Nobody waits longer; and it can be multiplied.
const LONGEST_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Builds a [`RedisStore`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect` is called"]
pub struct RedisStoreBuilder {
    prefix: String,
    deadline: Duration,
    in_flight: usize,
    replicas: usize,
    pub(super) tls: Tls,
}

impl RedisStoreBuilder {
    pub(super) fn new() -> Self {
        Self {
            prefix: "login-timeout:".to_owned(),
            deadline: Duration::from_millis(500),
            in_flight: 512,
            replicas: 0,
            tls: Tls::default(),
        }
    }

    /// What every key begins with, and the channel that revocations are announced on. The default is
    /// `login-timeout:`.
    ///
    /// Applications with different session ids share a server by different prefixes. Braces in it mean a hash tag to
    /// a Cluster: all sessions would be in one slot.
    pub fn with_key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long an operation may take before it fails; also how long each step of connecting may take. The default is
    /// half a second, an hour the most.
    ///
    /// Let it be shorter than the policy's [`store_timeout`](crate::PolicyBuilder::with_store_timeout), which does
    /// not say what was waited for.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.clamp(Duration::from_millis(1), LONGEST_DEADLINE);
        self
    }

    /// How many operations may be under way at once, at least one; touches that go together are one. Others wait their
    /// turn, within their deadline. The default is 512.
    pub fn with_max_in_flight(mut self, in_flight: usize) -> Self {
        self.in_flight = in_flight.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// How many replicas must confirm a revocation before it counts as done. The default is none.
    ///
    /// A fail-over to a replica that had confirmed it cannot undo it. While fewer are there, revoking fails after
    /// three quarters of the deadline, though it takes effect on the master. Other writes do not wait.
    pub fn with_replicas_per_revocation(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Connects to the servers that this URL names; see [`RedisStore::connect`].
    ///
    /// # Errors
    ///
    /// If the URL cannot be used, or no server answers.
    pub async fn connect(self, url: &str) -> Result<RedisStore, RedisStoreError> {
        let mut place = Place::parse(url)?;
        for server in place.each() {
            let prepared = server.clone().set_tcp_settings(tcp(self.deadline));
            *server = self.tls.of_server(prepared)?;
        }
        let shown = place.to_string();
        let announcements = Announcements::on(format!("{}revoked", self.prefix));
        let (main, listener) = self.links(&place, &announcements).await?;
        let careful = match self.replicas {
            0 => None,
            replicas => Some(Careful {
                link: Link::start(self.finder(self.whom(&place)?, None)).await?,
                replicas,
                // Its answer must come before our own deadline.
                wait: self.deadline * 3 / 4,
            }),
        };
        let servers = Servers {
            main,
            careful,
            _listener: listener,
            announcements,
            gathering: Gathering::default(),
            together: AtomicBool::new(!matches!(place, Place::Cluster(_))),
            in_flight: tokio::sync::Semaphore::new(self.in_flight),
            deadline: self.deadline,
            prefix: self.prefix,
            shown,
        };
        Ok(RedisStore(Arc::new(servers)))
    }

    /// The link for everything, and the one for announcements where they need one of their own.
    async fn links(
        &self,
        place: &Place,
        announcements: &Announcements,
    ) -> Result<(Link, Option<Link>), RedisStoreError> {
        let announced = Some(announcements.clone());
        let Place::Cluster(nodes) = place else {
            let main = Link::start(self.finder(self.whom(place)?, announced)).await?;
            return Ok((main, None));
        };
        let main = Link::start(self.finder(self.whom(place)?, None)).await?;
        let nodes = nodes.clone();
        let listener = Link::start(self.finder(Whom::Anyone { nodes, turn: 0 }, announced)).await?;
        Ok((main, Some(listener)))
    }

    fn whom(&self, place: &Place) -> Result<Whom, RedisStoreError> {
        Ok(match place {
            Place::Server(server) => Whom::Server(server.clone()),
            Place::Sentinel(watched) => Whom::Master(Sentinels::new(watched.clone())),
            Place::Cluster(nodes) => Whom::Everyone(self.cluster(nodes)?),
        })
    }

    fn finder(&self, whom: Whom, announcements: Option<Announcements>) -> Finder {
        Finder {
            whom,
            announcements,
            limit: self.deadline,
            queue: self.in_flight.min(4096),
        }
    }

    /// The client's own defaults retry for minutes. Here a request may follow a slot that moved, and that is all.
    fn cluster(&self, nodes: &[ConnectionInfo]) -> Result<ClusterClient, RedisStoreError> {
        let builder = ClusterClientBuilder::new(nodes.to_vec())
            .use_protocol(ProtocolVersion::RESP3)
            .tcp_settings(tcp(self.deadline))
            .connection_timeout(self.deadline / 2)
            .response_timeout(self.deadline)
            .overall_response_timeout(None)
            .retries(4)
            .min_retry_wait(1)
            .max_retry_wait(20)
            .retry_wait_formula(2, 2);
        self.tls
            .of_cluster(builder)
            .build()
            .map_err(RedisStoreError::refused)
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("deadline", &self.deadline)
            .field("in_flight", &self.in_flight)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

/// Connections whose other end vanished are noticed by the system, busy or idle.
fn tcp(deadline: Duration) -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(5));
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    unacknowledged(settings, deadline)
}

/// What was sent and not acknowledged for this long ends the connection.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn unacknowledged(settings: TcpSettings, deadline: Duration) -> TcpSettings {
    settings.set_user_timeout(2 * deadline)
}

/// This system decides for itself how long to wait.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn unacknowledged(settings: TcpSettings, _: Duration) -> TcpSettings {
    settings
}
