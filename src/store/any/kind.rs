//! The kinds of store that a URL can name.

use std::sync::Arc;

use super::erased::Erased;
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
use crate::store::event::store_observers::StoreObservers;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "mysql")]
    MySql,
    #[cfg(feature = "redis")]
    Redis,
}

impl Kind {
    /// Returns the kind of store that the scheme of this URL names.
    pub(super) fn of(url: &str) -> Result<Self, AnyStoreError> {
        let scheme = url.split_once(':').map(|(scheme, _)| scheme);
        match scheme {
            Some("memory") => Ok(Self::Memory),
            #[cfg(feature = "sqlite")]
            Some("sqlite") => Ok(Self::Sqlite),
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            #[cfg(feature = "mysql")]
            Some("mysql" | "mariadb") => Ok(Self::MySql),
            #[cfg(feature = "redis")]
            Some(
                "redis" | "redis+unix" | "redis+sentinel" | "redis+cluster" | "rediss"
                | "rediss+sentinel" | "rediss+cluster" | "valkey" | "valkey+unix"
                | "valkey+sentinel" | "valkey+cluster" | "valkeys" | "valkeys+sentinel"
                | "valkeys+cluster",
            ) => Ok(Self::Redis),
            _ => Err(AnyStoreError::unknown(url)),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "sqlite",
            #[cfg(feature = "postgres")]
            Self::Postgres => "postgres",
            #[cfg(feature = "mysql")]
            Self::MySql => "mysql",
            #[cfg(feature = "redis")]
            Self::Redis => "redis",
        }
    }

    /// Connects to the store. Creates the table of an SQL store, unless it is there.
    pub(super) async fn connect(
        self,
        url: &str,
        observers: StoreObservers,
    ) -> Result<Arc<dyn Erased>, AnyStoreError> {
        match self {
            Self::Memory => memory::connect(url, observers),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => sqlite::connect(url, observers).await,
            #[cfg(feature = "postgres")]
            Self::Postgres => postgres::connect(url, observers).await,
            #[cfg(feature = "mysql")]
            Self::MySql => mysql::connect(url, observers).await,
            #[cfg(feature = "redis")]
            Self::Redis => redis::connect(url, observers).await,
        }
    }
}
