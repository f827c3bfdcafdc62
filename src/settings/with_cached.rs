//! The near cache as a file gives it.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::times;
use crate::store::cached::builder::CachedStoreBuilder;
use crate::store::cached::cached_store::CachedStore;
use crate::store::memory::memory_store::MemoryStore;
use crate::store::shared_store::SharedStore;

/// A near cache in front of the store. It is checked when it is read.
#[derive(Clone, Debug)]
pub(super) struct NearCache(NearCacheFile);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename = "near_cache", default, deny_unknown_fields)]
struct NearCacheFile {
    #[serde(deserialize_with = "times::max_staleness")]
    max_staleness: Option<Duration>,
    #[serde(deserialize_with = "times::max_age")]
    max_age: Option<Duration>,
    #[serde(deserialize_with = "times::max_stale_on_error")]
    max_stale_on_error: Option<Duration>,
    #[serde(deserialize_with = "times::shared_timeout")]
    shared_timeout: Option<Duration>,
    #[serde(deserialize_with = "times::flush_every")]
    flush_every: Option<Duration>,
    capacity: Option<NonZeroUsize>,
}

impl NearCache {
    /// Creates the builder. What the file leaves out is as the builder has it.
    pub(super) fn builder<R: SharedStore>(&self, shared: R) -> CachedStoreBuilder<R> {
        let file = &self.0;
        let mut cache = CachedStore::builder(shared);
        if let Some(max_staleness) = file.max_staleness {
            cache = cache.with_max_staleness(max_staleness);
        }
        if let Some(max_age) = file.max_age {
            cache = cache.with_max_age(max_age);
        }
        if let Some(max_stale_on_error) = file.max_stale_on_error {
            cache = cache.with_max_stale_on_error(max_stale_on_error);
        }
        if let Some(shared_timeout) = file.shared_timeout {
            cache = cache.with_shared_timeout(shared_timeout);
        }
        if let Some(flush_every) = file.flush_every {
            cache = cache.with_flush_every(flush_every);
        }
        if let Some(capacity) = file.capacity {
            cache = cache.with_capacity(capacity.get());
        }
        cache
    }
}

impl<'de> Deserialize<'de> for NearCache {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cache = Self(NearCacheFile::deserialize(deserializer)?);
        // Any store will do: only the settings are checked.
        match cache.builder(MemoryStore::new()).build() {
            Ok(_) => Ok(cache),
            Err(error) => Err(D::Error::custom(format_args!("`near_cache`: {error}"))),
        }
    }
}
