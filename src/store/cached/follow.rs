//! How the shared store's log of changes is followed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::cache::Cache;
use crate::store::change_log::{Changed, Changes, LogPosition};
use crate::store::event::store_event::StoreEvent;
use crate::store::shared_store::SharedStore;

/// The shortest pause between two reads.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Follows the log of changes, until the task is aborted.
///
/// The first read has no position, so its answer is that any session may have changed. Every
/// session that is known by then is asked for again.
pub(super) async fn follow<R: SharedStore>(cache: Arc<Cache<R>>) {
    let mut position = None;
    let mut lag = Lag::default();
    loop {
        // A node without sessions has nothing to learn. The log is read from the same position
        // when there are some.
        if position.is_none() || cache.has_entries() {
            cache.read_log(&mut position, &mut lag).await;
        }
        sleep(cache.pause_between_reads()).await;
    }
}

/// How far the cache is behind the log.
#[derive(Default)]
struct Lag {
    /// When the first read was asked that did not reach the end of the log.
    since: Option<Instant>,
    is_reported: bool,
}

impl<R: SharedStore> Cache<R> {
    /// Reads the log from this position to its end, and moves the position.
    async fn read_log(&self, position: &mut Option<LogPosition>, lag: &mut Lag) {
        // An answer that is lost must not keep the next read back until every entry is stale.
        let limit = self.settings.max_staleness / 2;
        loop {
            let asked = Instant::now();
            let read = self.shared.changes_since(position.clone());
            let Ok(Ok(changes)) = timeout(limit, read).await else {
                return self.is_behind(lag, asked);
            };
            // One session that cannot be read is no failure of the store.
            self.note_success();
            // The first read has no position, so that nothing can be missing.
            if position.is_some() && matches!(changes.changed(), Changed::Any) {
                self.observers.report(&StoreEvent::ChangeLogCut);
            }
            self.apply(&changes);
            *position = Some(changes.position().clone());
            if !changes.has_more() {
                *lag = Lag::default();
                return self.followed_until(asked);
            }
            self.is_behind(lag, asked);
        }
    }

    /// Notes a read that did not reach the end of the log. Reports once that the cache is behind.
    fn is_behind(&self, lag: &mut Lag, asked: Instant) {
        let by = lag.since.get_or_insert(asked).elapsed();
        if by >= self.settings.max_staleness && !lag.is_reported {
            lag.is_reported = true;
            self.observers.report(&StoreEvent::ChangeLogBehind { by });
        }
    }

    fn apply(&self, changes: &Changes) {
        match changes.changed() {
            Changed::These(keys) => {
                for key in keys {
                    let key = self.hashed(*key);
                    self.shard(key).forget(key);
                }
            }
            Changed::Any => self.set_all_unconfirmed(),
        }
    }

    fn pause_between_reads(&self) -> Duration {
        let longest = self.settings.max_staleness / 4;
        let pause = self.shared.read_changes_every().min(longest);
        pause.max(SHORTEST_PAUSE)
    }
}
