//! Connecting to PostgreSQL.

use std::sync::Arc;

use super::erased::{Erased, erase, erase_clock};
use super::error::AnyStoreError;
use crate::store::event::store_observers::StoreObservers;
use crate::store::sql::postgres::PostgresStore;

pub(super) async fn connect(
    url: &str,
    observers: StoreObservers,
) -> Result<Arc<dyn Erased>, AnyStoreError> {
    let store = PostgresStore::connect(url).await;
    let store = store
        .map_err(AnyStoreError::failed)?
        .with_observers(observers);
    store.migrate().await.map_err(AnyStoreError::failed)?;
    Ok(erase("postgres", store, |store| {
        erase_clock(async move { store.clock().await })
    }))
}
