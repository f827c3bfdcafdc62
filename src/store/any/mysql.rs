//! Connecting to MySQL and MariaDB.

use std::sync::Arc;

use super::erased::{Erased, erase, erase_clock};
use super::error::AnyStoreError;
use crate::store::sql::mysql::MySqlStore;

pub(super) async fn connect(url: &str) -> Result<Arc<dyn Erased>, AnyStoreError> {
    let store = MySqlStore::connect(url).await;
    let store = store.map_err(AnyStoreError::failed)?;
    store.migrate().await.map_err(AnyStoreError::failed)?;
    Ok(erase("mysql", store, |store| {
        erase_clock(async move { store.clock().await })
    }))
}
