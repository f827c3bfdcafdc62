//! Which store does this text name?

use std::fmt;
use std::sync::Arc;

use self::erased::{Answer, Erased};
use super::shared::{Revocations, SharedStore};
use super::{ActivityStore, BoxError};
use crate::activity::Activity;
use crate::clock::{Clock, Timestamp};
use crate::key::SessionKey;
use crate::touch::Touch;

mod erased;
mod error;
mod memory;
#[cfg_attr(not(feature = "mysql"), path = "any/no_mysql.rs")]
mod mysql;
#[cfg_attr(not(feature = "postgres"), path = "any/no_postgres.rs")]
mod postgres;
#[cfg_attr(not(feature = "redis"), path = "any/no_redis.rs")]
mod redis;
#[cfg_attr(not(feature = "sqlite"), path = "any/no_sqlite.rs")]
mod sqlite;

pub use error::AnyStoreError;

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
///
/// `rediss`, `rediss+sentinel` and `rediss+cluster` go through TLS, with the feature `redis-tls`.
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
pub struct AnyStore {
    store: Arc<dyn Erased>,
    kind: &'static str,
}

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
        match scheme {
            "memory" => memory::connect(rest),
            "sqlite" => sqlite::connect(url).await,
            "postgres" | "postgresql" => postgres::connect(url).await,
            "mysql" | "mariadb" => mysql::connect(url).await,
            "redis" | "redis+sentinel" | "redis+cluster" | "rediss" | "rediss+sentinel"
            | "rediss+cluster" => redis::connect(url).await,
            _ => Err(AnyStoreError::unknown(url)),
        }
    }

    /// The clock to build the layer with: one that follows the store's own time where it has one, or the system's.
    ///
    /// # Errors
    ///
    /// If the store does not tell the time.
    pub async fn clock(&self) -> Result<Arc<dyn Clock>, AnyStoreError> {
        self.store.clock().await.map_err(AnyStoreError::failed)
    }
}

impl ActivityStore for AnyStore {
    type Error = BoxError;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        self.store.create(key, activity, keep_until)
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        self.store.begin(key, activity, keep_until)
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        self.store.load(key)
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        self.store.touch(key, touch)
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<bool> {
        self.store.revoke(key, keep_until)
    }
}

impl SharedStore for AnyStore {
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Answer<()> {
        self.store.touch_many(touches)
    }

    fn revocations(&self) -> Revocations {
        self.store.revocations()
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStore").field(&self.kind).finish()
    }
}
