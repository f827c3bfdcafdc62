//! The builder of the store: settings, and connecting.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{ConnectionInfo, ProtocolVersion};

use super::announcements::Announcements;
use super::batcher::Batcher;
use super::connector::{Connector, Target};
use super::endpoint::Endpoint;
use super::error::RedisStoreError;
use super::managed_connection::ManagedConnection;
use super::operations::{Operations, Replicated};
use super::redis_store::RedisStore;
use super::sentinel::Sentinels;
use super::tls::Tls;

/// The longest deadline. A few times this does not overflow.
const LONGEST_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Builds a [`RedisStore`].
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::RedisStore;
///
/// let builder = RedisStore::builder()
///     .with_key_prefix("shop:")
///     .with_deadline(Duration::from_millis(300));
/// assert!(format!("{builder:?}").contains("shop:"));
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect` is called"]
pub struct RedisStoreBuilder {
    prefix: String,
    deadline: Duration,
    in_flight: usize,
    replicas: usize,
    tls: Tls,
}

impl RedisStore {
    /// Connects to the servers that this URL names, with the default settings.
    ///
    /// - One server: `redis://user:password@host:port/database`. Everything but the host is
    ///   optional.
    /// - The master that Sentinels monitor:
    ///   `redis+sentinel://user:password@host:port,host:port/master-name/database`. The hosts are
    ///   the Sentinels'. The user and the password are the master's. A Sentinel's own credentials
    ///   stand before its host.
    /// - A Cluster: `redis+cluster://user:password@host:port,host:port`, with some of its nodes.
    ///
    /// `rediss`, `rediss+sentinel` and `rediss+cluster` use TLS, with the feature `redis-tls`. In a
    /// user name or a password, write special characters as `%40` and the like.
    ///
    /// # Errors
    ///
    /// If the URL cannot be used, or no server answers. Once connected, the store reconnects for as
    /// long as it lives.
    pub async fn connect(url: &str) -> Result<Self, RedisStoreError> {
        Self::builder().connect(url).await
    }

    /// Creates a builder with the default settings.
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder::new()
    }
}

impl RedisStoreBuilder {
    fn new() -> Self {
        Self {
            prefix: "login-timeout:".to_owned(),
            deadline: Duration::from_millis(500),
            in_flight: 512,
            replicas: 0,
            tls: Tls::default(),
        }
    }

    /// Sets what every key begins with, and the channel that revocations are announced on. The
    /// default is `login-timeout:`.
    ///
    /// Applications with different session ids can share a server if each has its own prefix. Leave
    /// out braces: a Cluster reads them as a hash tag and puts all sessions into one slot.
    pub fn with_key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long an operation may take before it fails, and each step of connecting. The
    /// default is half a second, the most an hour.
    ///
    /// Choose it shorter than the policy's
    /// [`store_timeout`](crate::PolicyBuilder::with_store_timeout), whose error does not say what
    /// the layer waited for.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.clamp(Duration::from_millis(1), LONGEST_DEADLINE);
        self
    }

    /// Sets how many operations may be under way at once, at least one. The default is 512.
    ///
    /// A batch of touches counts as one operation. Further operations wait, within their deadline.
    pub fn with_max_in_flight(mut self, in_flight: usize) -> Self {
        self.in_flight = in_flight.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how many replicas must confirm a revocation before it succeeds. The default is none.
    ///
    /// A fail-over to a replica that confirmed a revocation cannot undo it. While fewer replicas
    /// are up, revoking fails after three quarters of the deadline, although it takes effect on the
    /// master. Other writes do not wait.
    pub fn with_replicas_per_revocation(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets the certificate authority, in PEM, that the server's certificate must come from. The
    /// default is every authority that the system trusts.
    #[cfg(feature = "redis-tls")]
    pub fn with_root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.set_root_certificate(pem.into());
        self
    }

    /// Sets the certificate and the private key, in PEM, with which this client authenticates
    /// itself.
    #[cfg(feature = "redis-tls")]
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls
            .set_client_certificate(certificate.into(), key.into());
        self
    }

    /// Connects to the servers that this URL names. [`RedisStore::connect`] lists the formats.
    ///
    /// # Errors
    ///
    /// If the URL cannot be used, or no server answers.
    pub async fn connect(self, url: &str) -> Result<RedisStore, RedisStoreError> {
        let mut endpoint = Endpoint::parse(url)?;
        for server in endpoint.each() {
            let prepared = server.clone().set_tcp_settings(tcp(self.deadline));
            *server = self.tls.apply_to_server(prepared)?;
        }
        let shown = endpoint.to_string();
        let announcements = Announcements::on(format!("{}revoked", self.prefix));
        let (main, listener) = self.connections(&endpoint, &announcements).await?;
        let replicated = match self.replicas {
            0 => None,
            replicas => Some(Replicated {
                connection: self.start(self.target(&endpoint)?, None).await?,
                replicas,
                // The server's answer must come before the operation's deadline.
                wait: self.deadline * 3 / 4,
            }),
        };
        let operations = Operations {
            main,
            replicated,
            _listener: listener,
            announcements,
            batcher: Batcher::default(),
            batching: AtomicBool::new(!matches!(endpoint, Endpoint::Cluster(_))),
            in_flight: tokio::sync::Semaphore::new(self.in_flight),
            deadline: self.deadline,
            prefix: self.prefix,
            endpoint: shown,
        };
        Ok(RedisStore::over(Arc::new(operations)))
    }

    /// Starts the main connection, and one for announcements where they need their own.
    async fn connections(
        &self,
        endpoint: &Endpoint,
        announcements: &Announcements,
    ) -> Result<(ManagedConnection, Option<ManagedConnection>), RedisStoreError> {
        let announcements = Some(announcements.clone());
        let target = self.target(endpoint)?;
        let Endpoint::Cluster(nodes) = endpoint else {
            return Ok((self.start(target, announcements).await?, None));
        };
        let main = self.start(target, None).await?;
        let nodes = nodes.clone();
        let any_node = Target::AnyNode { nodes, turn: 0 };
        let listener = self.start(any_node, announcements).await?;
        Ok((main, Some(listener)))
    }

    fn target(&self, endpoint: &Endpoint) -> Result<Target, RedisStoreError> {
        Ok(match endpoint {
            Endpoint::Server(server) => Target::Server(server.clone()),
            Endpoint::Sentinel(master) => Target::Master(Sentinels::new(master.clone())),
            Endpoint::Cluster(nodes) => Target::Cluster(self.cluster(nodes)?),
        })
    }

    async fn start(
        &self,
        target: Target,
        announcements: Option<Announcements>,
    ) -> Result<ManagedConnection, RedisStoreError> {
        let connector = Connector {
            target,
            announcements,
            limit: self.deadline,
            queue: self.in_flight.min(4096),
        };
        Ok(ManagedConnection::start(connector).await?)
    }

    /// Builds the Cluster client. Its defaults retry for minutes. Here it only follows a slot that
    /// moved.
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
            .apply_to_cluster(builder)
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

/// Returns settings with which the system notices a vanished server, on busy and on idle
/// connections.
fn tcp(deadline: Duration) -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(5));
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    unacknowledged(settings, deadline)
}

/// Closes a connection on which sent bytes are not acknowledged for two deadlines.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn unacknowledged(settings: TcpSettings, deadline: Duration) -> TcpSettings {
    settings.set_user_timeout(2 * deadline)
}

/// Leaves the time to the system, which has no such setting.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn unacknowledged(settings: TcpSettings, _: Duration) -> TcpSettings {
    settings
}
