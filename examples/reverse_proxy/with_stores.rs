//! The store that `--store` names.

use std::sync::Arc;

use tower_login_timeout::{AnyStore, BoxError, Clock, TimedStore};

use crate::metrics;
use crate::ready::Ready;

/// Opens the store that this text names, and the clock of all who share it.
pub async fn open(url: &str) -> Result<(TimedStore<AnyStore>, Arc<dyn Clock>), BoxError> {
    let url = if url == "memory" { "memory:" } else { url };
    let store = AnyStore::builder()
        .with_observer(metrics::observer())
        .connect(url)
        .await?;
    let clock = store.clock().await?;
    let timed = TimedStore::new(store.kind(), store, metrics::observer());
    Ok((timed, clock))
}

impl Ready for TimedStore<AnyStore> {
    async fn is_ready(&self) -> bool {
        self.inner().ready().await.is_ok()
    }
}
