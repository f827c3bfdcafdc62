//! Connecting to Redis and Valkey.

use std::sync::Arc;

use super::erased::{Erased, erase, erase_clock};
use super::error::AnyStoreError;
use crate::store::event::store_observers::StoreObservers;
use crate::store::redis::redis_store::RedisStore;

pub(super) async fn connect(
    url: &str,
    observers: StoreObservers,
) -> Result<Arc<dyn Erased>, AnyStoreError> {
    let builder = RedisStore::builder().with_observers(observers);
    let store = builder.connect(url).await;
    let store = store.map_err(AnyStoreError::failed)?;
    Ok(erase("redis", store, |store| {
        erase_clock(async move { store.clock().await })
    }))
}
