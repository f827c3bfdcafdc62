//! What do all handles to a cache, and its background work, have in common?

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::DefaultHashBuilder;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::entry::{Entry, Shared};
use super::settings::Settings;
use super::shard::{Advice, Place, Shard};
use crate::session::key::SessionKey;
use crate::session::touch::Touch;

/// Small enough that a flush or a sweep of one stalls nobody for long.
const SESSIONS_PER_SHARD: usize = 256;
const MOST_SHARDS: usize = 256;

/// How many background checks run at once.
const MOST_CHECKS: usize = 64;

pub(super) struct Cache<R> {
    pub(super) shared: R,
    pub(super) settings: Settings,
    shards: Box<[Shard]>,
    hasher: DefaultHashBuilder,
    last_failure: Mutex<Option<Instant>>,
    pub(super) checks: Arc<Semaphore>,
    /// Held by the one flush that runs.
    pub(super) flushing: tokio::sync::Mutex<()>,
    /// Whether the background work runs.
    pub(super) working: AtomicBool,
    /// Held while the background work is started.
    pub(super) starting: Mutex<()>,
}

impl<R> Cache<R> {
    pub(super) fn new(shared: R, settings: Settings) -> Self {
        // Rounded down, so that no more sessions than asked for are kept.
        let shards = (settings.capacity / SESSIONS_PER_SHARD).clamp(1, MOST_SHARDS);
        let shards = 1 << shards.ilog2();
        Self {
            shared,
            settings,
            shards: (0..shards)
                .map(|_| Shard::new(settings.capacity / shards))
                .collect(),
            hasher: DefaultHashBuilder::default(),
            last_failure: Mutex::default(),
            checks: Arc::new(Semaphore::new(MOST_CHECKS)),
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

    pub(super) fn place(&self, key: SessionKey) -> Place {
        Place {
            key,
            // Seeded, so that nobody can choose ids that crowd one shard.
            hash: self.hasher.hash_one(key),
        }
    }

    pub(super) fn shard(&self, place: Place) -> &Shard {
        // Within a shard, the table uses the lowest bits and the highest seven.
        &self.shards[(place.hash >> 32) as usize & (self.shards.len() - 1)]
    }

    pub(super) fn rehash(&self) -> impl Fn(&Entry) -> u64 {
        |entry| self.hasher.hash_one(entry.key)
    }

    /// Answers the touch from memory where that may be done.
    pub(super) fn consult(&self, place: Place, touch: &Touch) -> Advice {
        let shard = self.shard(place);
        match shard.consult(place, touch, &self.settings, Shared::Answers) {
            Advice::Ask if self.is_failing() => self.consult_in_need(place, touch),
            advice => advice,
        }
    }

    /// Answers the touch from memory where that may be done while the shared store fails.
    pub(super) fn consult_in_need(&self, place: Place, touch: &Touch) -> Advice {
        self.shard(place)
            .consult(place, touch, &self.settings, Shared::Fails)
    }

    pub(super) fn doubt_all(&self) {
        self.shards.iter().for_each(Shard::doubt);
    }

    /// Whether the shared store failed just now, so that there is no point in making a request wait for it.
    fn is_failing(&self) -> bool {
        let last_failure = *self.health();
        last_failure.is_some_and(|at| at.elapsed() < self.settings.refresh_after)
    }

    pub(super) fn note_failure(&self) {
        *self.health() = Some(Instant::now());
    }

    pub(super) fn note_success(&self) {
        *self.health() = None;
    }

    pub(super) fn is_working(&self) -> bool {
        self.working.load(Ordering::Acquire)
    }

    fn health(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a session when its record has been replaced or revoked: nothing is kept that was asked before that was
/// done. Also if the caller goes away, since it may have been done all the same.
pub(super) struct Changing<R> {
    cache: Arc<Cache<R>>,
    place: Place,
}

impl<R> Changing<R> {
    pub(super) fn new(cache: Arc<Cache<R>>, place: Place) -> Self {
        Self { cache, place }
    }
}

impl<R> Drop for Changing<R> {
    fn drop(&mut self) {
        self.cache.shard(self.place).forget(self.place);
    }
}
