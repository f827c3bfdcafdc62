//! How is a database of PostgreSQL opened?

use super::erased::some_clock;
use super::{AnyStore, AnyStoreError};
use crate::store::sql::PostgresStore;

pub(super) async fn connect(url: &str) -> Result<AnyStore, AnyStoreError> {
    let store = PostgresStore::connect(url).await;
    let store = store.map_err(AnyStoreError::failed)?;
    store.migrate().await.map_err(AnyStoreError::failed)?;
    Ok(AnyStore::erase("postgres", store, |store| {
        some_clock(async move { store.clock().await })
    }))
}
