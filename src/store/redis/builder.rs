//! The builder of the store: settings, and connecting.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, ConnectionInfo};
use tokio::sync::Semaphore;

use super::batcher::Batcher;
use super::endpoint::Endpoint;
use super::error::RedisStoreError;
use super::operations::{Operations, Replicated};
use super::outages::Outages;
use super::redis_store::RedisStore;
use super::servers::{ServerSettings, Servers};
use super::tcp;
use super::tls::TlsSettings;
use super::transport::Transport;
use super::url_parameters::UrlParameters;
use crate::store::event::observe_store::ObserveStore;
use crate::store::event::store_observers::StoreObservers;

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
    tls: TlsSettings,
    config: AsyncConnectionConfig,
    observers: StoreObservers,
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
    /// - A Unix socket: `redis+unix:///path/of/socket?db=0&user=user&pass=password`.
    ///
    /// `valkey` stands for `redis` in each of them, and `valkeys` for `rediss`. These parameters
    /// set what [`RedisStoreBuilder`] sets otherwise, in any of them: `?prefix=shop:`,
    /// `?deadline=300ms` (or `2s`), and `?ca=/path/of/root.pem` for the certificate authority.
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

    /// Connects to the server of the application's own `redis::Client`, with the default settings.
    ///
    /// The address, the database, the credentials and TLS are the client's. The store makes its own
    /// connection. For a credentials provider, give the builder
    /// [the connection's settings](RedisStoreBuilder::with_connection_config) as well. The TCP
    /// settings are the client's too: give it a `TCP_USER_TIMEOUT`, or a vanished server is noticed
    /// by the heartbeat alone, after a second.
    ///
    /// # Errors
    ///
    /// If the server does not answer. Once connected, the store reconnects for as long as it lives.
    pub async fn from_client(client: Client) -> Result<Self, RedisStoreError> {
        Self::builder().connect_client(client).await
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
            tls: TlsSettings::default(),
            config: AsyncConnectionConfig::new(),
            observers: StoreObservers::default(),
        }
    }

    /// Sets what every key begins with. The default is `login-timeout:`.
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
    /// In a Cluster the number is that of each node, so that a node that hangs holds up no other.
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
        // Only without TLS there is an error.
        let _ = self.tls.set_root_certificate(pem.into());
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

    /// Sets what the client needs beyond this builder's settings, such as a credentials provider.
    /// The default is `AsyncConnectionConfig::new()`.
    ///
    /// The time limits, the length of the queue and the push sender are the store's own. The
    /// settings are those of every connection: to the server, to the master that Sentinels name,
    /// and to each node of a Cluster.
    pub fn with_connection_config(mut self, config: AsyncConnectionConfig) -> Self {
        self.config = config;
        self
    }

    /// Adds an observer. It is told [`StoreEvent::Connected`], [`StoreEvent::Lost`],
    /// [`StoreEvent::Reconnected`] and [`StoreEvent::ChangeNotLogged`], and
    /// [`StoreEvent::ClockStepped`] by the clocks that the store creates.
    ///
    /// [`StoreEvent::Connected`]: crate::StoreEvent::Connected
    /// [`StoreEvent::Lost`]: crate::StoreEvent::Lost
    /// [`StoreEvent::Reconnected`]: crate::StoreEvent::Reconnected
    /// [`StoreEvent::ChangeNotLogged`]: crate::StoreEvent::ChangeNotLogged
    /// [`StoreEvent::ClockStepped`]: crate::StoreEvent::ClockStepped
    pub fn with_observer(mut self, observer: impl ObserveStore) -> Self {
        self.observers.push(observer);
        self
    }

    pub(crate) fn with_observers(mut self, observers: StoreObservers) -> Self {
        self.observers = observers;
        self
    }

    /// Connects to the servers that this URL names. [`RedisStore::connect`] lists the formats. The
    /// URL's parameters win over this builder's settings.
    ///
    /// # Errors
    ///
    /// If the URL cannot be used, or no server answers.
    pub async fn connect(mut self, url: &str) -> Result<RedisStore, RedisStoreError> {
        let (address, parameters) = UrlParameters::split(url)?;
        let mut endpoint = Endpoint::parse(&address)?;
        if let Some(prefix) = parameters.prefix {
            self = self.with_key_prefix(prefix);
        }
        if let Some(deadline) = parameters.deadline {
            self = self.with_deadline(deadline);
        }
        if let Some(file) = parameters.authority {
            let pem = fs::read(file).map_err(|_| {
                RedisStoreError::address("the file that its parameter `ca` names cannot be read")
            })?;
            self.tls.set_root_certificate(pem)?;
        }
        for server in endpoint.each() {
            *server = server
                .clone()
                .set_tcp_settings(tcp::settings(self.deadline));
        }
        self.connect_to(endpoint).await
    }

    /// Connects to the server of the application's own client. [`RedisStore::from_client`] says
    /// what is taken from it.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub async fn connect_client(self, client: Client) -> Result<RedisStore, RedisStoreError> {
        self.connect_to(Endpoint::Client(client)).await
    }

    async fn connect_to(self, mut endpoint: Endpoint) -> Result<RedisStore, RedisStoreError> {
        let servers: Vec<&ConnectionInfo> =
            endpoint.each().into_iter().map(|server| &*server).collect();
        let transport = Transport {
            tls: self.tls.prepare(&servers)?,
        };
        let main = self.start(&endpoint, &transport).await?;
        let replicated = match self.replicas {
            0 => None,
            replicas => Some(Replicated {
                servers: self.start(&endpoint, &transport).await?,
                replicas,
                // The server's answer must come before the operation's deadline.
                wait: self.deadline * 3 / 4,
            }),
        };
        let is_cluster = matches!(endpoint, Endpoint::Cluster(_));
        let operations = Operations {
            main,
            replicated,
            batcher: Batcher::default(),
            many_keys: AtomicBool::new(!is_cluster),
            in_flight: (!is_cluster).then(|| Semaphore::new(self.in_flight)),
            deadline: self.deadline,
            log: format!("{}changes", self.prefix),
            prefix: self.prefix,
            endpoint: endpoint.to_string(),
            observers: self.observers,
        };
        Ok(RedisStore::over(Arc::new(operations)))
    }

    async fn start(
        &self,
        endpoint: &Endpoint,
        transport: &Transport,
    ) -> Result<Servers, RedisStoreError> {
        let settings = ServerSettings {
            transport: transport.clone(),
            config: self.config.clone(),
            limit: self.deadline,
            in_flight: self.in_flight,
            outages: Outages::new(self.observers.clone()),
        };
        Ok(Servers::connect(endpoint, settings).await?)
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
