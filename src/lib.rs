//! guide
mod activity;
mod clock;
mod head;
mod key;
mod policy;
pub mod rule;
mod store;
mod touch;
mod verdict;
pub use activity::{Activity, Limits};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use head::RequestHead;
pub use key::SessionKey;
pub use policy::{Policy, PolicyBuilder, PolicyError, StoreFailure, Unknown};
#[cfg(feature = "_shared")]
pub use store::any::{AnyStore, AnyStoreError};
#[cfg(feature = "cached")]
pub use store::cached::{CachedFuture, CachedStore, CachedStoreBuilder, CachedStoreError};
#[cfg(feature = "conformance")]
pub use store::conformance;
pub use store::memory::MemoryStore;
#[cfg(feature = "_shared")]
pub use store::offset::StoreClock;
#[cfg(feature = "redis")]
pub use store::redis::{RedisStore, builder::RedisStoreBuilder, error::RedisStoreError};
#[cfg(feature = "_shared")]
pub use store::shared::{Announced, Revocations, SharedStore};
#[cfg(feature = "mysql")]
pub use store::sql::MySqlStore;
#[cfg(feature = "postgres")]
pub use store::sql::PostgresStore;
#[cfg(feature = "sqlite")]
pub use store::sql::SqliteStore;
#[cfg(feature = "_sql")]
pub use store::sql::{SqlDatabase, SqlError, SqlStore};
pub use store::supervised::StoreError;
pub use store::{ActivityStore, BoxError};
pub use touch::Touch;
pub use verdict::{Expired, Reason, Verdict};
