//! How is `memory:` opened?

use std::future::ready;

use super::erased::some_clock;
use super::{AnyStore, AnyStoreError};
use crate::clock::SystemClock;
use crate::store::BoxError;
use crate::store::memory::MemoryStore;

pub(super) fn connect(rest: &str) -> Result<AnyStore, AnyStoreError> {
    if !rest.is_empty() {
        return Err(AnyStoreError::refused("nothing may follow `memory:`"));
    }
    Ok(AnyStore::erase("memory", MemoryStore::new(), |_| {
        some_clock(ready(Ok::<_, BoxError>(SystemClock)))
    }))
}
