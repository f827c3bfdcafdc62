//! Connecting to SQLite.

use std::future::ready;
use std::sync::Arc;

use super::erased::{Erased, erase, erase_clock};
use super::error::AnyStoreError;
use crate::store::activity_store::BoxError;
use crate::store::event::store_observers::StoreObservers;
use crate::store::sql::sqlite::SqliteStore;

pub(super) async fn connect(
    url: &str,
    observers: StoreObservers,
) -> Result<Arc<dyn Erased>, AnyStoreError> {
    let store = SqliteStore::connect(url).await;
    let store = store
        .map_err(AnyStoreError::failed)?
        .with_observers(observers);
    store.migrate().await.map_err(AnyStoreError::failed)?;
    Ok(erase("sqlite", store, |store| {
        erase_clock(ready(Ok::<_, BoxError>(store.clock())))
    }))
}
