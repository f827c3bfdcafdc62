//! The memory store behind a near cache.

use std::future::ready;

use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::change_log::{Changes, LogPosition};
use crate::store::memory::memory_store::MemoryStore;
use crate::store::shared_store::{SharedStore, TouchAnswer};

/// For programs that choose their store at run time: there is nothing to gain from a cache in front
/// of memory.
impl SharedStore for MemoryStore {
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Self::Future<Vec<TouchAnswer<Self::Error>>> {
        let touched = touches.into_iter().filter_map(|(key, touch)| {
            // Ready at once, and it cannot fail.
            let Ok(found) = self.touch(key, touch).into_inner();
            Some((key, Ok(found?)))
        });
        ready(Ok(touched.collect()))
    }

    fn changes_since(&self, position: Option<LogPosition>) -> Self::Future<Changes> {
        ready(Ok(self.changes().since(position.as_ref())))
    }
}
