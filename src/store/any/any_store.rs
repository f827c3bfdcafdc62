//! Which store does this text name?

use std::fmt;
use std::sync::Arc;

use super::erased::{BoxFuture, Erased};
use super::error::AnyStoreError;
use super::memory;
#[cfg(feature = "mysql")]
use super::mysql;
#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "redis")]
use super::redis;
#[cfg(feature = "sqlite")]
use super::sqlite;
use crate::clock::Clock;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::{ActivityStore, BoxError};
use crate::store::shared_store::{Revocations, SharedStore};

/// A store that is chosen by text, for programs that read it from their configuration.
///
/// | text | store | feature |
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
/// Every operation is one boxed future. Clones share the store. Neither `Debug` nor an error shows the text, which
/// may hold a password.
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
    /// Connects to the store that this text names. Creates the table of an SQL store, unless it is there.
    ///
    /// # Errors
    ///
    /// If no store has this scheme, if its feature is not compiled in, if the text cannot be read, and if the store
    /// cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, AnyStoreError> {
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(AnyStoreError::unknown(url));
        };
        let store = match scheme {
            "memory" => memory::connect(rest)?,
            #[cfg(feature = "sqlite")]
            "sqlite" => sqlite::connect(url).await?,
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => postgres::connect(url).await?,
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => mysql::connect(url).await?,
            #[cfg(feature = "redis")]
            "redis" | "redis+sentinel" | "redis+cluster" | "redis+unix" | "rediss"
            | "rediss+sentinel" | "rediss+cluster" | "valkey" | "valkey+sentinel"
            | "valkey+cluster" | "valkey+unix" | "valkeys" | "valkeys+sentinel"
            | "valkeys+cluster" => redis::connect(url).await?,
            _ => return Err(AnyStoreError::unknown(url)),
        };
        Ok(Self(store))
    }

    /// The clock to build the layer with: one that follows the store's own time where it has one, or the system's.
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

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> BoxFuture<bool> {
        self.0.revoke(key, keep_until)
    }
}

impl SharedStore for AnyStore {
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> BoxFuture<()> {
        self.0.touch_many(touches)
    }

    fn revocations(&self) -> Revocations {
        self.0.revocations()
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStore").field(&self.0.kind()).finish()
    }
}
