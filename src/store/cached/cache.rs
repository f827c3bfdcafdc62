//! The state that the handles of a near cache share with its background work.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::entry::{Conditions, Entry, SharedStoreState};
use super::questions::Questions;
use super::settings::Settings;
use super::shard::{HashedKey, Lookup, Shard};
use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::event::store_event::StoreEvent;
use crate::store::event::store_observers::StoreObservers;

/// Small enough that a flush or a sweep of one shard holds its lock for a short time only.
const SESSIONS_PER_SHARD: usize = 256;
const MAX_SHARDS: usize = 256;

/// How many background checks run at once.
const MAX_CHECKS: usize = 64;

/// For how long after a failure of the shared store no request waits for it that can be answered
/// from memory.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Cache<R> {
    pub(super) shared: R,
    pub(super) settings: Settings,
    pub(super) observers: StoreObservers,
    shards: Box<[Shard]>,
    hasher: DefaultHashBuilder,
    last_failure: Mutex<Option<Instant>>,
    pub(super) questions: Arc<Questions>,
    pub(super) checks: Arc<Semaphore>,
    /// What `followed` counts from.
    created: Instant,
    /// The moment up to which the log of changes was followed, in nanoseconds since `created`. It
    /// is zero if the log was not read yet.
    followed: AtomicU64,
    /// Held by the flush that runs. One runs at a time.
    pub(super) flushing: tokio::sync::Mutex<()>,
    /// Whether the background work runs.
    pub(super) working: AtomicBool,
    /// Held while the background work is started.
    pub(super) starting: Mutex<()>,
}

impl<R> Cache<R> {
    pub(super) fn new(shared: R, settings: Settings, observers: StoreObservers) -> Self {
        // Rounded down, so that the cache never keeps more sessions than its capacity.
        let shards = (settings.capacity / SESSIONS_PER_SHARD).clamp(1, MAX_SHARDS);
        let shards = 1 << shards.ilog2();
        Self {
            shared,
            settings,
            observers,
            shards: (0..shards)
                .map(|_| Shard::new(settings.capacity / shards))
                .collect(),
            hasher: DefaultHashBuilder::default(),
            last_failure: Mutex::default(),
            questions: Arc::default(),
            checks: Arc::new(Semaphore::new(MAX_CHECKS)),
            created: Instant::now(),
            followed: AtomicU64::new(0),
            flushing: tokio::sync::Mutex::default(),
            working: AtomicBool::new(false),
            starting: Mutex::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter()
    }

    pub(super) fn hashed(&self, key: SessionKey) -> HashedKey {
        HashedKey {
            key,
            // The hash is seeded, so that no client can choose ids that crowd one shard.
            hash: self.hasher.hash_one(key),
        }
    }

    pub(super) fn shard(&self, key: HashedKey) -> &Shard {
        // The table of a shard uses the lowest bits of the hash and the highest seven.
        &self.shards[(key.hash >> 32) as usize & (self.shards.len() - 1)]
    }

    pub(super) fn rehash(&self) -> impl Fn(&Entry) -> u64 {
        |entry| self.hasher.hash_one(entry.key)
    }

    /// Returns whether a session is in memory.
    pub(super) fn has_entries(&self) -> bool {
        self.shards.iter().any(|shard| shard.len() > 0)
    }

    /// Looks the session up in memory.
    pub(super) fn lookup(&self, key: HashedKey, touch: &Touch) -> Lookup {
        match self.lookup_in(SharedStoreState::Answering, key, touch) {
            Lookup::Miss if self.is_failing() => self.lookup_while_failing(key, touch),
            lookup => lookup,
        }
    }

    /// Looks the session up in memory, by the rules that hold while the shared store fails.
    pub(super) fn lookup_while_failing(&self, key: HashedKey, touch: &Touch) -> Lookup {
        self.lookup_in(SharedStoreState::Failing, key, touch)
    }

    fn lookup_in(&self, state: SharedStoreState, key: HashedKey, touch: &Touch) -> Lookup {
        let conditions = Conditions {
            settings: &self.settings,
            state,
            followed: self.followed(),
        };
        self.shard(key).lookup(key, touch, conditions)
    }

    /// Notes that every change up to this moment has been applied.
    pub(super) fn followed_until(&self, moment: Instant) {
        let nanos = moment.saturating_duration_since(self.created).as_nanos();
        // Zero stands for a log that was not read.
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX).max(1);
        self.followed.store(nanos, Ordering::Release);
    }

    /// Returns the moment up to which every change has been applied.
    fn followed(&self) -> Option<Instant> {
        match self.followed.load(Ordering::Acquire) {
            0 => None,
            nanos => self.created.checked_add(Duration::from_nanos(nanos)),
        }
    }

    /// Has every session checked before it is served again.
    pub(super) fn set_all_unconfirmed(&self) {
        self.shards.iter().for_each(Shard::set_all_unconfirmed);
    }

    /// Reports what was done since the last report.
    pub(super) fn report(&self) {
        let (mut hits, mut misses) = (0, 0);
        for (hit, missed) in self.shards().map(Shard::take_counts) {
            hits += hit;
            misses += missed;
        }
        self.observers.tell(&StoreEvent::Cache {
            hits,
            misses,
            sessions: self.len(),
            // Without sessions, the log is not read.
            log_age: self
                .followed()
                .filter(|_| self.has_entries())
                .map(|until| until.elapsed()),
        });
    }

    /// Returns whether the shared store failed a short time ago. A request does not wait for it
    /// then.
    fn is_failing(&self) -> bool {
        let last_failure = *self.lock_last_failure();
        last_failure.is_some_and(|at| at.elapsed() < FAILURE_PAUSE)
    }

    pub(super) fn note_failure(&self) {
        *self.lock_last_failure() = Some(Instant::now());
    }

    pub(super) fn note_success(&self) {
        *self.lock_last_failure() = None;
    }

    pub(super) fn is_working(&self) -> bool {
        self.working.load(Ordering::Acquire)
    }

    fn lock_last_failure(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a session when a `create`, `change` or `revoke` of it ends.
///
/// Also when the caller drops the operation half-way: the shared store may have done it all the
/// same.
pub(super) struct ForgetOnDrop<R> {
    cache: Arc<Cache<R>>,
    key: HashedKey,
}

impl<R> ForgetOnDrop<R> {
    pub(super) fn new(cache: Arc<Cache<R>>, key: HashedKey) -> Self {
        Self { cache, key }
    }
}

impl<R> Drop for ForgetOnDrop<R> {
    fn drop(&mut self) {
        self.cache.shard(self.key).forget(self.key);
    }
}
