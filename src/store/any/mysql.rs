//! How is a database of MySQL or MariaDB opened?

use super::erased::some_clock;
use super::{AnyStore, AnyStoreError};
use crate::store::sql::MySqlStore;

pub(super) async fn connect(url: &str) -> Result<AnyStore, AnyStoreError> {
    let store = MySqlStore::connect(url).await;
    let store = store.map_err(AnyStoreError::failed)?;
    store.migrate().await.map_err(AnyStoreError::failed)?;
    Ok(AnyStore::erase("mysql", store, |store| {
        some_clock(async move { store.clock().await })
    }))
}
