//! Connecting to SQLite.

use std::future::ready;
use std::sync::Arc;

use super::erased::{Erased, erase, erase_clock};
use super::error::AnyStoreError;
use crate::store::activity_store::BoxError;
use crate::store::sql::sqlite::SqliteStore;

pub(super) async fn connect(url: &str) -> Result<Arc<dyn Erased>, AnyStoreError> {
    let store = SqliteStore::connect(url).await;
    let store = store.map_err(AnyStoreError::failed)?;
    store.migrate().await.map_err(AnyStoreError::failed)?;
    Ok(erase("sqlite", store, |store| {
        erase_clock(ready(Ok::<_, BoxError>(store.clock())))
    }))
}
