//! The store that `--store` names.

use std::sync::Arc;

use tower_login_timeout::{AnyStore, BoxError, Clock};

use crate::ready::Ready;

/// Opens the store that this text names, and the clock of all who share it.
pub async fn open(url: &str) -> Result<(AnyStore, Arc<dyn Clock>), BoxError> {
    let url = if url == "memory" { "memory:" } else { url };
    let store = AnyStore::connect(url).await?;
    let clock = store.clock().await?;
    Ok((store, clock))
}

impl Ready for AnyStore {
    async fn is_ready(&self) -> bool {
        self.ready().await.is_ok()
    }
}
