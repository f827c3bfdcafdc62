//! How are servers of Redis or Valkey connected to?

use super::erased::some_clock;
use super::{AnyStore, AnyStoreError};
use crate::store::redis::RedisStore;

pub(super) async fn connect(url: &str) -> Result<AnyStore, AnyStoreError> {
    let store = RedisStore::connect(url).await;
    let store = store.map_err(AnyStoreError::failed)?;
    Ok(AnyStore::erase("redis", store, |store| {
        some_clock(async move { store.clock().await })
    }))
}
