//! How does gathered activity reach the shared store?

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::cache::Cache;
use crate::store::activity_store::BoxError;
use crate::store::shared_store::SharedStore;

/// How many touches are written at once: enough that the round trip does not count, few enough that no lock is held
/// for long.
const BATCH: usize = 1_000;

/// Nobody waits for a flush, so this is only to begin anew some time if the shared store never answers.
const DEADLINE: Duration = Duration::from_secs(10);

impl<R: SharedStore> Cache<R> {
    /// Writes what is gathered. What cannot be written stays gathered, and is tried again by the next flush.
    pub(super) async fn flush(&self) -> Result<(), BoxError> {
        let _only = self.flushing.lock().await;
        let mut gathered = Vec::new();
        for shard in self.shards() {
            shard.add_gathered(&mut gathered);
        }
        gathered.sort_unstable_by_key(|(key, _)| *key);
        let mut outcome = Ok(());
        for batch in gathered.chunks(BATCH) {
            let now = Instant::now();
            let touches = batch
                .iter()
                .map(|(key, gathered)| (*key, gathered.touch(now)))
                .collect();
            match timeout(DEADLINE, self.shared.touch_many(touches)).await {
                Ok(Ok(())) => {
                    for (key, gathered) in batch {
                        let place = self.place(*key);
                        self.shard(place).written(place, gathered.last_activity());
                    }
                }
                // What is wrong with these need not be wrong with the others.
                Ok(Err(error)) => outcome = Err(error.into()),
                Err(too_late) => return Err(too_late.into()),
            }
        }
        outcome
    }

    /// Lets go of answers that are too old to be given, whatever happens.
    pub(super) fn sweep(&self) {
        if let Some(oldest) = Instant::now().checked_sub(self.settings.max_stale_on_error) {
            for shard in self.shards() {
                shard.sweep(oldest, self.rehash());
            }
        }
    }
}
