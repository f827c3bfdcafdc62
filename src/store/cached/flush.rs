//! How gathered touches are written to the shared store, and old entries are removed.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::cache::Cache;
use super::flush_error::FlushError;
use super::settings::BATCH_TIMEOUT;
use super::shard::Shard;
use crate::store::event::store_event::StoreEvent;
use crate::store::shared_store::SharedStore;

/// How many touches one batch holds: enough that the round trip does not count, and few enough that
/// no lock in the shared store is held for long.
const BATCH: usize = 1_000;

/// Into how many parts a batch is divided that could not be written.
const PARTS: usize = 4;

/// How many batches of one flush may be divided. That is enough to find a few records that cannot
/// be written, and no burden for a shared store that is down.
const MOST_DIVIDED: usize = 16;

/// The time that a flush has.
#[derive(Clone, Copy)]
struct Limits {
    batch: Duration,
    deadline: Option<Instant>,
}

impl<R: SharedStore> Cache<R> {
    /// Writes the gathered touches, and gives up when this time is over.
    ///
    /// The time covers the wait for a flush that runs already, and all batches.
    pub(super) async fn flush(&self, within: Duration) -> Result<(), FlushError> {
        let limits = Limits {
            batch: within,
            deadline: Instant::now().checked_add(within),
        };
        let outcome = match timeout(within, self.write_gathered(limits)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.timed_out(within)),
        };
        self.reported(outcome)
    }

    /// Writes the gathered touches. Each batch has a time limit of its own.
    ///
    /// A limit for the whole flush would let a slow store starve the sessions whose keys come last.
    pub(super) async fn flush_in_background(&self) -> Result<(), FlushError> {
        let limits = Limits {
            batch: BATCH_TIMEOUT,
            deadline: None,
        };
        self.reported(self.write_gathered(limits).await)
    }

    /// Reports a flush that failed.
    fn reported(&self, outcome: Result<(), FlushError>) -> Result<(), FlushError> {
        outcome.inspect_err(|error| {
            self.observers.report(&StoreEvent::FlushFailed { error });
        })
    }

    /// Writes the gathered touches. What cannot be written stays gathered for the next flush.
    ///
    /// One record that cannot be written, as while somebody holds a lock on it, makes its whole
    /// batch fail. So a batch that fails is divided, and its parts come after the other batches.
    async fn write_gathered(&self, limits: Limits) -> Result<(), FlushError> {
        let _only = self.flushing.lock().await;
        let mut gathered = Vec::new();
        for shard in self.shards() {
            shard.add_gathered(&mut gathered);
        }
        gathered.sort_unstable_by_key(|(key, _)| *key);
        let mut outcome = Ok(());
        let mut batches: VecDeque<_> = gathered.chunks(BATCH).collect();
        let mut divided = 0;
        while let Some(batch) = batches.pop_front() {
            let now = Instant::now();
            // A store that answers without waiting gives no timer a chance to end the flush.
            if limits.deadline.is_some_and(|deadline| now >= deadline) {
                return Err(self.timed_out(limits.batch));
            }
            let asked: Vec<_> = batch
                .iter()
                .map(|(key, gathered)| {
                    let key = self.hashed(*key);
                    (key, self.shard(key).ticket(key), gathered.touch(now))
                })
                .collect();
            let touches = asked.iter().map(|(key, _, touch)| (key.key, *touch));
            let written = self.shared.touch_many(touches.collect());
            match timeout(limits.batch, written).await {
                Ok(Ok(found)) => {
                    let mut found: HashMap<_, _> = found.into_iter().collect();
                    for (key, ticket, touch) in asked {
                        match found.remove(&key.key).transpose() {
                            Ok(found) => self.shard(key).written(key, &ticket, &touch, found),
                            Err(error) => outcome = Err(FlushError::failed(error)),
                        }
                    }
                }
                failed => {
                    outcome = match failed {
                        Ok(Err(error)) => Err(FlushError::failed(error)),
                        _ => Err(self.timed_out(limits.batch)),
                    };
                    if batch.len() > 1 && divided < MOST_DIVIDED {
                        divided += 1;
                        batches.extend(batch.chunks(batch.len().div_ceil(PARTS)));
                    }
                }
            }
        }
        outcome
    }

    fn timed_out(&self, limit: Duration) -> FlushError {
        FlushError::timed_out(limit, self.shards().map(Shard::gathered_len).sum())
    }

    /// Removes entries that are too old to be served under any circumstances.
    pub(super) fn sweep(&self) {
        if let Some(oldest) = Instant::now().checked_sub(self.settings.longest_age()) {
            for shard in self.shards() {
                shard.sweep(oldest, self.rehash());
            }
        }
    }
}
