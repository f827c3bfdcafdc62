//! The memory store behind a near cache.

use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::memory::memory_store::MemoryStore;
use crate::store::shared_store::{Revocations, SharedStore};

/// For programs that choose their store at run time: there is nothing to gain from a cache in front
/// of memory.
///
/// It announces no revocations.
impl SharedStore for MemoryStore {
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Self::Future<()> {
        for (key, touch) in touches {
            // Ready at once, and it cannot fail.
            let _ = self.touch(key, touch).into_inner();
        }
        std::future::ready(Ok(()))
    }

    fn revocations(&self) -> Revocations {
        Revocations::never()
    }
}
