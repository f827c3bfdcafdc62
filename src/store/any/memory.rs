//! Connecting to `memory:`.

use std::future::ready;
use std::sync::Arc;

use super::erased::{Erased, erase, erase_clock};
use super::error::AnyStoreError;
use crate::clock::system::SystemClock;
use crate::store::activity_store::BoxError;
use crate::store::event::store_observers::StoreObservers;
use crate::store::memory::memory_store::MemoryStore;

pub(super) fn connect(
    url: &str,
    observers: StoreObservers,
) -> Result<Arc<dyn Erased>, AnyStoreError> {
    if url != "memory:" {
        return Err(AnyStoreError::refused(
            "nothing may follow `memory:`: remove the rest of the URL",
        ));
    }
    let store = MemoryStore::builder().with_observers(observers).build();
    Ok(erase("memory", store, |_| {
        erase_clock(ready(Ok::<_, BoxError>(SystemClock)))
    }))
}
