//! The operations that ask the shared store, for a request or in the background.

use std::pin::pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::cache::Cache;
use super::shard::{HashedKey, Lookup};
use crate::session::activity::Activity;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::BoxError;
use crate::store::shared_store::SharedStore;

impl<R: SharedStore> Cache<R> {
    /// Touches the session in the shared store. If the shared store fails, answers from memory
    /// while the entry may be served.
    pub(super) async fn touch(
        self: Arc<Self>,
        key: HashedKey,
        touch: Touch,
    ) -> Result<Option<Activity>, BoxError> {
        let ticket = self.shard(key).ticket(key);
        let mut operation = pin!(async {
            let found = self.shared.touch(key.key, touch).await;
            found.map_err(Into::<BoxError>::into)
        });
        let in_time = timeout(self.settings.shared_timeout, &mut operation).await;
        if !matches!(in_time, Ok(Ok(_))) {
            self.note_failure();
            if let Lookup::Hit(known) | Lookup::HitAndCheck(known) =
                self.lookup_while_failing(key, &touch)
            {
                return Ok(Some(known));
            }
        }
        let found = match in_time {
            Ok(answer) => answer?,
            // The cache has no other answer, so the caller decides how long to wait.
            Err(_) => operation.await?,
        };
        self.note_success();
        let shard = self.shard(key);
        Ok(shard.learn(key, &ticket, found, &touch, self.rehash()))
    }

    /// Loads the record from the shared store, and adds the gathered activity.
    pub(super) async fn load(&self, key: HashedKey) -> Result<Option<Activity>, BoxError> {
        let shard = self.shard(key);
        let ticket = shard.ticket(key);
        let found = self.shared.load(key.key).await;
        let found = found.map_err(Into::<BoxError>::into)?;
        Ok(found.map(|found| shard.with_gathered(key, &ticket, found)))
    }

    /// Begins the session in the shared store. If there is a record already, adds the gathered
    /// activity to it.
    pub(super) async fn begin(
        &self,
        key: HashedKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Result<Activity, BoxError> {
        let shard = self.shard(key);
        let ticket = shard.ticket(key);
        let begun = self.shared.begin(key.key, activity, keep_until).await;
        let begun = begun.map_err(Into::<BoxError>::into)?;
        Ok(shard.with_gathered(key, &ticket, begun))
    }

    /// Starts a task that asks the shared store for the record. No request waits for it.
    pub(super) fn check_in_background(self: &Arc<Self>, key: HashedKey, touch: Touch) {
        let Ok(permit) = Arc::clone(&self.checks).try_acquire_owned() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let cache = Arc::clone(self);
        runtime.spawn(async move {
            cache.check(key, touch).await;
            drop(permit);
        });
    }

    /// Loads the record without moving it: the activity of this touch is gathered already.
    async fn check(&self, key: HashedKey, touch: Touch) {
        let shard = self.shard(key);
        let ticket = shard.ticket(key);
        let loaded = self.shared.load(key.key);
        let Ok(Ok(found)) = timeout(self.settings.shared_timeout, loaded).await else {
            return self.note_failure();
        };
        self.note_success();
        shard.learn(key, &ticket, found, &touch.passive(), self.rehash());
    }
}
