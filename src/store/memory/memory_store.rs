//! The store in this process's memory.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::ChangeLog;
use super::links::Links;
use super::shard::{Common, Evictable, Shard};
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::{Timestamp, whole_millis};
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::event::store_event::StoreEvent;
use crate::store::event::store_observers::StoreObservers;

/// How long one round of removals takes, if there is enough traffic to drive it.
const ROUND: Duration = Duration::from_secs(60);

/// How many sessions are remembered, unless it is set.
pub(super) const DEFAULT_CAPACITY: usize = 1_000_000;

/// Small enough that locking, growing or sweeping one stalls nobody for long, and as many as fill a
/// table well: one of 1024 buckets doubles when it is seven eighths full.
const SESSIONS_PER_SHARD: usize = 800;
const MOST_SHARDS: usize = 4096;

/// A store in this process's memory, for one process that may forget its sessions when it restarts.
///
/// It is bounded: a million sessions unless [`with_capacity`](MemoryStore::with_capacity) says
/// otherwise. When it is full, the session that was idle for longest, of a small sample, makes room
/// for a new one. Revoked sessions make room last. A session takes 40 to 80 bytes, the least when
/// the store is full.
///
/// Records leave after their time without a background task. Each touch may clear one of many
/// shards, so that all of them are cleared about once a minute, and no request waits for more than
/// one. Memory is handed back as they empty. A removal may be late by the minute to which this
/// store rounds `keep_until` up.
///
/// Clones share the same records.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_login_timeout::{Activity, ActivityStore, MemoryStore, Policy, SessionKey, Timestamp};
///
/// let store = MemoryStore::with_capacity(10_000);
/// let (key, now) = (SessionKey::of("sesame"), Timestamp::from_unix_millis(1_700_000_000_000));
/// let activity = Activity::began(now);
/// store.create(key, activity, Policy::default().keep_until(&activity)).await?;
/// assert_eq!(store.load(key).await?, Some(activity));
/// assert_eq!(store.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryStore(Arc<Shards>);

struct Shards {
    shards: Box<[Shard]>,
    common: Common,
    capacity: usize,
    sweep: Sweep,
    changes: ChangeLog,
    links: Links,
    /// How many sessions made room that may have been live.
    evicted: AtomicU64,
    observers: StoreObservers,
}

/// Which shard is swept next, and when.
struct Sweep {
    due: AtomicU64,
    next: AtomicUsize,
    every: u64,
}

impl MemoryStore {
    /// Creates a store for a million sessions.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// Creates a store for so many sessions, at least one. It allocates as they come.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self::with_observers(capacity, StoreObservers::default())
    }

    pub(super) fn with_observers(capacity: usize, observers: StoreObservers) -> Self {
        let mut per_shard = SESSIONS_PER_SHARD;
        while capacity / per_shard > MOST_SHARDS {
            per_shard *= 2;
        }
        let shards = capacity.div_ceil(per_shard).max(1);
        Self(Arc::new(Shards {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            common: Common::default(),
            capacity: capacity.max(1),
            sweep: Sweep {
                due: AtomicU64::new(0),
                next: AtomicUsize::new(0),
                every: whole_millis(ROUND) / shards as u64,
            },
            changes: ChangeLog::new(),
            links: Links::default(),
            evicted: AtomicU64::new(0),
            observers,
        }))
    }

    /// Returns how many sessions it remembers, ended ones that are not removed yet among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.common.len()
    }

    /// Returns whether it remembers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many sessions it remembers at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    pub(super) fn links(&self) -> &Links {
        &self.0.links
    }

    #[cfg(feature = "_shared")]
    pub(super) fn changes(&self) -> &ChangeLog {
        &self.0.changes
    }
}

impl Shards {
    fn index(&self, hash: u64) -> usize {
        // Within a shard, the table uses the lowest bits and the highest seven.
        let middle = u64::from((hash >> 25) as u32);
        ((middle * self.shards.len() as u64) >> 32) as usize
    }

    fn shard(&self, hash: u64) -> &Shard {
        &self.shards[self.index(hash)]
    }

    /// Makes room for a newcomer if there are too many, in its own shard or in the next one that
    /// has anybody else.
    fn stay_within_capacity(&self, newcomer: SessionKey, hash: u64, now: Timestamp) {
        if self.common.len() <= self.capacity {
            return;
        }
        let home = self.index(hash);
        let (before, after) = self.shards.split_at(home);
        let evicted = [Evictable::NotRevoked, Evictable::Any]
            .into_iter()
            .find_map(|evictable| {
                let mut shards = after.iter().chain(before);
                shards
                    .find_map(|shard| shard.evict_one(&self.common, newcomer, hash >> 7, evictable))
            });
        if evicted.is_some_and(|slot| !slot.is_revoked() && !slot.is_over(now)) {
            let evicted = self.evicted.fetch_add(1, Ordering::Relaxed) + 1;
            self.observers.report(&StoreEvent::Evicted { evicted });
        }
    }

    /// Removes what is over in one shard, if it is time to.
    fn sweep_when_due(&self, now: Timestamp) {
        let now_millis = now.as_unix_millis();
        let due = self.sweep.due.load(Ordering::Relaxed);
        // A clock that was ahead and jumped back must not stop the sweep until it has caught up.
        let far_ahead = due > now_millis.saturating_add(self.sweep.every);
        if now_millis < due && !far_ahead {
            return;
        }
        let next_due = now_millis.saturating_add(self.sweep.every);
        let claimed =
            self.sweep
                .due
                .compare_exchange(due, next_due, Ordering::Relaxed, Ordering::Relaxed);
        if claimed.is_ok() {
            self.sweep_next(now);
        }
    }

    // Rare, and so not on the way of a touch.
    #[cold]
    fn sweep_next(&self, now: Timestamp) {
        let index = self.sweep.next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        self.shards[index].sweep(&self.common, now);
        let sessions = self.common.len();
        self.observers.tell(&StoreEvent::Held { sessions });
    }
}

impl ActivityStore for MemoryStore {
    type Error = Infallible;
    type Future<T: Send + 'static> = Ready<Result<T, Infallible>>;

    fn create(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<()> {
        let shards = &*self.0;
        let hash = shards.common.hash(key);
        let shard = shards.shard(hash);
        if shard.replace(&shards.common, key, activity, keep_until) {
            shards.changes.note(key);
        }
        shards.stay_within_capacity(key, hash, activity.last_activity());
        ready(Ok(()))
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<Activity> {
        let shards = &*self.0;
        let hash = shards.common.hash(key);
        let shard = shards.shard(hash);
        let begun = shard.insert_if_absent(&shards.common, key, activity, keep_until);
        shards.stay_within_capacity(key, hash, activity.last_activity());
        ready(Ok(begun))
    }

    fn load(&self, key: SessionKey) -> Self::Future<Option<Activity>> {
        let hash = self.0.common.hash(key);
        ready(Ok(self.0.shard(hash).load(hash, key)))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Self::Future<Option<Activity>> {
        self.0.sweep_when_due(touch.now());
        let hash = self.0.common.hash(key);
        ready(Ok(self.0.shard(hash).touch(hash, key, &touch)))
    }

    fn change(&self, key: SessionKey, change: Change) -> Self::Future<Option<Activity>> {
        self.0.sweep_when_due(change.now());
        let hash = self.0.common.hash(key);
        let before = self.0.shard(hash).change(hash, key, &change);
        if before.is_some_and(|before| change.applies_to(&before)) {
            self.0.changes.note(key);
        }
        ready(Ok(before))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Self::Future<Option<Activity>> {
        let hash = self.0.common.hash(key);
        let before = self.0.shard(hash).revoke(hash, key, keep_until);
        if before.is_some_and(|before| !before.is_revoked()) {
            self.0.changes.note(key);
        }
        ready(Ok(before))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
