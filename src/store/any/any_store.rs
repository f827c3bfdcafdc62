//! The store that is chosen by a URL at run time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::erased::{BoxFuture, Erased};
use super::error::AnyStoreError;
use super::kind::Kind;
use super::lazy::LazyStore;
use super::memory;
use crate::clock::port::Clock;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::{ActivityStore, BoxError};
use crate::store::change_log::{Changes, LogPosition};
use crate::store::event::store_observers::StoreObservers;
use crate::store::shared_store::{SharedStore, TouchAnswer};

/// How long the store may take to show that it is up.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// A store that is chosen by a URL, for programs that read the URL from their configuration.
///
/// | URL | store | feature |
/// |---|---|---|
/// | `memory:` | [`MemoryStore`](crate::MemoryStore) | |
/// | `sqlite:file.db` | `SqliteStore` | `sqlite` |
/// | `postgres://user:password@host/database` | `PostgresStore` | `postgres` |
/// | `mysql://user:password@host/database` | `MySqlStore` | `mysql` |
/// | `redis://host:6379` | `RedisStore`, one server | `redis` |
/// | `redis+sentinel://host:26379,host:26379/master-name` | `RedisStore`, the master that Sentinels watch over | `redis` |
/// | `redis+cluster://host:7000,host:7001` | `RedisStore`, a Cluster | `redis` |
/// | `redis+unix:///path/of/socket` | `RedisStore`, one server | `redis` |
///
/// `rediss`, `rediss+sentinel` and `rediss+cluster` go through TLS, with the feature `redis-tls`.
/// `valkey` stands for `redis` in each of these, and `valkeys` for `rediss`.
///
/// [`connect`](AnyStore::connect) fails if the store is down.
/// [`connect_lazy`](AnyStore::connect_lazy) lets a program start in any case, and
/// [`ready`](AnyStore::ready) says whether the store is up. [`builder`](AnyStore::builder) does the
/// same with an observer.
///
/// Every operation is one boxed future. Clones share the store. Neither `Debug` nor an error shows
/// the URL, which may hold a password.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use tower_login_timeout::{Activity, ActivityStore, AnyStore, Clock, Policy, SessionKey};
///
/// let store = AnyStore::connect("memory:").await?;
/// let clock = store.clock().await?;
/// let (key, activity) = (SessionKey::of("sesame"), Activity::began(clock.now()));
/// store.create(key, activity, Policy::default().keep_until(&activity)).await?;
/// assert_eq!(store.load(key).await?, Some(activity));
///
/// let error = AnyStore::connect("mongodb://user:secret@host").await.unwrap_err();
/// assert!(error.to_string().contains("`mongodb`"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AnyStore(Arc<dyn Erased>);

impl AnyStore {
    /// Connects to the store that this URL names. Creates the table of an SQL store, unless it is
    /// there.
    ///
    /// # Errors
    ///
    /// If no store has this scheme, if its feature is not compiled in, if the URL cannot be read,
    /// or if the store cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, AnyStoreError> {
        Self::connect_with(url, StoreObservers::default()).await
    }

    pub(super) async fn connect_with(
        url: &str,
        observers: StoreObservers,
    ) -> Result<Self, AnyStoreError> {
        Kind::of(url)?.connect(url, observers).await.map(Self)
    }

    /// Creates a store that connects in the background, so that a program can start while the store
    /// is down.
    ///
    /// It tries at once, and again after waits that grow to five seconds, until it is connected.
    /// Until then each operation returns an error without waiting. An error never counts as an
    /// unknown session: the policy's [`StoreFailure`](crate::StoreFailure) decides. The
    /// [`source`](std::error::Error::source) of the error is the reason why the last attempt
    /// failed. The attempts end when the last clone is dropped.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// use tower_login_timeout::AnyStore;
    ///
    /// let store = AnyStore::connect_lazy("memory:")?;
    /// // For the readiness probe of an orchestrator or a load balancer.
    /// let status = if store.ready().await.is_ok() { 200 } else { 503 };
    /// assert_eq!(status, 200);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If no store has this scheme, if its feature is not compiled in, or outside a Tokio runtime.
    /// A URL that is wrong in another way is found by the first attempt.
    pub fn connect_lazy(url: &str) -> Result<Self, AnyStoreError> {
        Self::connect_lazy_with(url, StoreObservers::default())
    }

    pub(super) fn connect_lazy_with(
        url: &str,
        observers: StoreObservers,
    ) -> Result<Self, AnyStoreError> {
        let kind = Kind::of(url)?;
        if kind == Kind::Memory {
            return memory::connect(url, observers).map(Self);
        }
        let url = url.to_owned();
        let connect = move || {
            let (url, observers) = (url.clone(), observers.clone());
            async move { kind.connect(&url, observers).await }
        };
        Ok(Self(Arc::new(LazyStore::start(kind.name(), connect)?)))
    }

    pub(super) fn erased(&self) -> &dyn Erased {
        &*self.0
    }

    /// Returns the kind of store, in one lowercase word: `redis`, for example.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// Asks the store for a record, to find out whether it is up.
    ///
    /// It costs one small read. Use it for a readiness probe, and not for a liveness probe: a
    /// restart of the program does not repair the store.
    ///
    /// # Errors
    ///
    /// If the store is not connected yet, if it fails, or if it does not answer within one second.
    pub async fn ready(&self) -> Result<(), AnyStoreError> {
        // No session has this key, since a key is a hash.
        let key = SessionKey::from_bytes([0; 16]);
        match timeout(READY_WITHIN, self.0.load(key)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(AnyStoreError::failed(error)),
            Err(_) => Err(AnyStoreError::refused(
                "the store did not answer within one second: check that it runs and is not \
                 overloaded",
            )),
        }
    }

    /// Returns the clock to build the layer with. It follows the store's own time where the store
    /// has one. Otherwise it is the system's.
    ///
    /// # Errors
    ///
    /// If the store does not tell the time.
    pub async fn clock(&self) -> Result<Arc<dyn Clock>, AnyStoreError> {
        self.0.clock().await.map_err(AnyStoreError::failed)
    }
}

impl ActivityStore for AnyStore {
    type Error = BoxError;
    type Future<T: Send + 'static> = BoxFuture<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> BoxFuture<()> {
        self.0.create(key, activity, keep_until)
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> BoxFuture<Activity> {
        self.0.begin(key, activity, keep_until)
    }

    fn load(&self, key: SessionKey) -> BoxFuture<Option<Activity>> {
        self.0.load(key)
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> BoxFuture<Option<Activity>> {
        self.0.touch(key, touch)
    }

    fn change(&self, key: SessionKey, change: Change) -> BoxFuture<Option<Activity>> {
        self.0.change(key, change)
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> BoxFuture<Option<Activity>> {
        self.0.revoke(key, keep_until)
    }
}

impl SharedStore for AnyStore {
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> BoxFuture<Vec<TouchAnswer<BoxError>>> {
        self.0.touch_many(touches)
    }

    fn changes_since(&self, position: Option<LogPosition>) -> BoxFuture<Changes> {
        self.0.changes_since(position)
    }

    fn read_changes_every(&self) -> Duration {
        self.0.read_changes_every()
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStore").field(&self.0.kind()).finish()
    }
}
