//! The store in memory, where no feature of another store is on.

use tower_login_timeout::{BoxError, MemoryStore, SystemClock, TimedStore};

use crate::metrics;
use crate::ready::Ready;

/// Opens the store in memory. The text may hold a password, so no error shows it.
pub async fn open(url: &str) -> Result<(TimedStore<MemoryStore>, SystemClock), BoxError> {
    let feature = match url.split(':').next() {
        Some("memory") if matches!(url, "memory" | "memory:") => {
            let store = MemoryStore::builder().with_observer(metrics::observer());
            let timed = TimedStore::new("memory", store.build(), metrics::observer());
            return Ok((timed, SystemClock));
        }
        Some("sqlite") => "sqlite",
        Some("postgres" | "postgresql") => "postgres",
        Some("mysql" | "mariadb") => "mysql",
        Some("redis" | "redis+sentinel" | "redis+cluster") => "redis",
        Some("rediss" | "rediss+sentinel" | "rediss+cluster") => "redis-tls",
        _ => {
            return Err(
                "`--store` names no store: write `memory`, or the URL of another store and add its feature, such as \
                 `--features redis`"
                    .into(),
            );
        }
    };
    Err(format!(
        "this store is not compiled in: add `--features {feature}` to the command of cargo"
    )
    .into())
}

impl Ready for TimedStore<MemoryStore> {
    async fn is_ready(&self) -> bool {
        true
    }
}
