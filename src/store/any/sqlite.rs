//! How is a file of SQLite opened?

use std::future::ready;

use super::erased::some_clock;
use super::{AnyStore, AnyStoreError};
use crate::store::BoxError;
use crate::store::sql::SqliteStore;

pub(super) async fn connect(url: &str) -> Result<AnyStore, AnyStoreError> {
    let store = SqliteStore::connect(url).await;
    let store = store.map_err(AnyStoreError::failed)?;
    store.migrate().await.map_err(AnyStoreError::failed)?;
    Ok(AnyStore::erase("sqlite", store, |store| {
        some_clock(ready(Ok::<_, BoxError>(store.clock())))
    }))
}
