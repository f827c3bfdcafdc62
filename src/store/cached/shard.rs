//! One shard of the cached sessions, behind a lock of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::{HashMap, HashTable};
use tokio::time::Instant;

use super::entry::{Conditions, Entry, Freshness, GatheredTouch, SharedStoreState};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::touch::Touch;

/// How many entries an eviction compares.
const SAMPLE: usize = 8;

/// One shard of the cached sessions. The lock is on a cache line of its own. It is never held while
/// another lock is taken or a future is awaited.
///
/// # Tickets and generations
///
/// An answer of the shared store may arrive after the record has changed. Two answers may also
/// arrive in another order than the store gave them. An answer "live" that was given before a
/// revocation and arrives after it would bring the session back.
///
/// So each question takes a [`Ticket`] before it is sent. The ticket holds the *generation* of the
/// shard, the moment of the question, and the touch that was gathered then. The generation grows
/// with every `create`, `change` and `revoke` through this cache, when it ends; with every change
/// that the log names; and when the log had a gap. An answer whose ticket has an older generation
/// goes to its caller and is not kept. Of two answers of the same generation, the one that was
/// asked for later stays.
///
/// This is enough. A question that was sent after the change finds the change, because the shared
/// store changes a record in one atomic step. A question that was sent before the change has an
/// older generation when the change is known here, whatever it found. And a change that is not
/// known here yet is in a part of the log that was not read yet, since the log is read in order
/// from where the last read ended. So it removes the entry when it is read. The generation belongs
/// to the shard and not to the session, so nothing has to be remembered of sessions that were
/// removed. The price is that a change discards the answers that are under way for the other
/// sessions of the shard. Those sessions are asked for again.
///
/// The gathered touch in the ticket covers a flush that is under way at the same time: the shared
/// store may answer the question as of before the flush, while the flush has ended here. Without
/// the ticket's copy, last activity would move backwards in memory.
#[repr(align(64))]
pub(super) struct Shard {
    contents: Mutex<Contents>,
    capacity: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
struct Contents {
    entries: HashTable<Entry>,
    gathered: HashMap<SessionKey, GatheredTouch>,
    /// Grows with every change that makes answers obsolete which are still under way.
    generation: u64,
    /// When the last question was asked that found a session over.
    found_over: Option<Instant>,
}

/// A session key with its hash.
#[derive(Clone, Copy)]
pub(super) struct HashedKey {
    pub(super) key: SessionKey,
    pub(super) hash: u64,
}

/// What is noted when a question to the shared store is sent, for when its answer arrives.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    generation: u64,
    asked: Instant,
    gathered: Option<GatheredTouch>,
}

impl Ticket {
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }
}

/// The result of looking a session up for a touch.
pub(super) enum Lookup {
    /// Answer with this activity.
    Hit(Activity),
    /// Answer with this activity, and start a background check.
    HitAndCheck(Activity),
    /// Ask the shared store.
    Miss,
}

impl Shard {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            contents: Mutex::default(),
            capacity,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Returns how many touches are gathered.
    pub(super) fn gathered_len(&self) -> usize {
        self.lock().gathered.len()
    }

    /// Counts a touch that was answered from memory.
    pub(super) fn count_hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a touch that asks the shared store.
    pub(super) fn count_miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the hits and the misses since the last call, and counts from zero again.
    pub(super) fn take_counts(&self) -> (u64, u64) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        (take(&self.hits), take(&self.misses))
    }

    /// Looks the session up, and gathers the touch where it is due.
    pub(super) fn lookup(
        &self,
        key: HashedKey,
        touch: &Touch,
        conditions: Conditions<'_>,
    ) -> Lookup {
        let now = Instant::now();
        let Contents {
            entries, gathered, ..
        } = &mut *self.lock();
        let Some(entry) = entries.find_mut(key.hash, |entry| entry.key == key.key) else {
            return Lookup::Miss;
        };
        let freshness = entry.freshness(touch, now, conditions);
        if freshness == Freshness::Stale {
            return Lookup::Miss;
        }
        let before = entry.activity();
        if touch.applies_to(&before) {
            let has_room = gathered.len() < self.capacity || gathered.contains_key(&key.key);
            if has_room {
                gathered.insert(key.key, GatheredTouch::new(*touch, now));
                entry.active_at(touch.last_activity());
            } else if conditions.state == SharedStoreState::Answering {
                return Lookup::Miss;
            }
        }
        if freshness == Freshness::Aging
            && entry
                .claim_check(now, conditions.settings.shared_timeout)
                .is_some()
        {
            Lookup::HitAndCheck(before)
        } else {
            Lookup::Hit(before)
        }
    }

    /// Returns a ticket for a question that is about to be sent.
    pub(super) fn ticket(&self, key: HashedKey) -> Ticket {
        let contents = self.lock();
        Ticket {
            generation: contents.generation,
            asked: Instant::now(),
            gathered: contents.gathered.get(&key.key).copied(),
        }
    }

    /// Keeps the record that the shared store found, unless something newer is known. Returns the
    /// record with the gathered activity.
    pub(super) fn learn(
        &self,
        key: HashedKey,
        ticket: &Ticket,
        found: Option<Activity>,
        touch: &Touch,
        rehash: impl Fn(&Entry) -> u64,
    ) -> Option<Activity> {
        let mut contents = self.lock();
        let answer = found.map(|found| match contents.gathered(key, ticket) {
            // Judged as of this touch, as the shared store judged the record.
            Some(gathered) => touch
                .for_activity_at(gathered.last_activity())
                .applied_to(found),
            None => found,
        });
        if ticket.generation != contents.generation {
            return answer;
        }
        match found.map(|found| live(found, touch)) {
            Some(Some(stored)) => contents.keep(key, ticket, stored, self.capacity, rehash),
            Some(None) => contents.remove_over(key, ticket),
            None => contents.remove(key),
        }
        answer
    }

    /// Returns the record that the shared store found, with the gathered activity.
    pub(super) fn with_gathered(
        &self,
        key: HashedKey,
        ticket: &Ticket,
        found: Activity,
    ) -> Activity {
        match self.lock().gathered(key, ticket) {
            Some(gathered) => gathered.touch(Instant::now()).applied_to(found),
            None => found,
        }
    }

    /// Forgets the record of the session, and discards the answers about it that are still under
    /// way.
    ///
    /// Gathered activity stays, since the session may live on with another id or other limits. If
    /// it has ended, the shared store does not apply the activity.
    pub(super) fn forget(&self, key: HashedKey) {
        let mut contents = self.lock();
        contents.generation += 1;
        contents.remove_entry(key);
    }

    /// Drops the gathered activity of the session, which has ended or begins anew.
    pub(super) fn drop_activity(&self, key: HashedKey) {
        self.lock().gathered.remove(&key.key);
    }

    /// Has every session checked before it is served again, and discards the answers that are still
    /// under way.
    pub(super) fn set_all_unconfirmed(&self) {
        let mut contents = self.lock();
        contents.generation += 1;
        contents.entries.iter_mut().for_each(Entry::set_unconfirmed);
    }

    /// Removes the entries that were asked for before this moment, and returns memory if few are
    /// left.
    pub(super) fn sweep(&self, oldest: Instant, rehash: impl Fn(&Entry) -> u64) {
        let Contents {
            entries, gathered, ..
        } = &mut *self.lock();
        entries.retain(|entry| entry.asked() >= oldest);
        if entries.len() < entries.capacity() / 4 {
            entries.shrink_to(entries.len() * 2, rehash);
        }
        if gathered.len() < gathered.capacity() / 4 {
            gathered.shrink_to(gathered.len() * 2);
        }
    }

    /// Appends the gathered touches.
    pub(super) fn add_gathered(&self, to: &mut Vec<(SessionKey, GatheredTouch)>) {
        to.extend(
            self.lock()
                .gathered
                .iter()
                .map(|(&key, &gathered)| (key, gathered)),
        );
    }

    /// Notes what the shared store found when it wrote this touch. A later touch stays gathered.
    ///
    /// The answer is as good as that to a question, so it renews the entry.
    pub(super) fn written(
        &self,
        key: HashedKey,
        ticket: &Ticket,
        touch: &Touch,
        found: Option<Activity>,
    ) {
        let mut contents = self.lock();
        let is_last = |gathered: &GatheredTouch| gathered.last_activity() == touch.last_activity();
        if contents.gathered.get(&key.key).is_some_and(is_last) {
            contents.gathered.remove(&key.key);
        }
        if ticket.generation != contents.generation {
            return;
        }
        match found.map(|found| live(found, touch)) {
            Some(Some(stored)) => contents.renew(key, ticket, stored),
            Some(None) => contents.remove_over(key, ticket),
            None => contents.remove(key),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Only a failed allocation can panic under the lock, and it leaves the contents whole.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    /// Returns the gathered touch that the shared store may not have known when it answered.
    fn gathered(&self, key: HashedKey, ticket: &Ticket) -> Option<GatheredTouch> {
        let now = self.gathered.get(&key.key).copied();
        now.or(ticket
            .gathered
            .filter(|_| ticket.generation == self.generation))
    }

    /// Keeps the entry, and makes room for it.
    fn keep(
        &mut self,
        key: HashedKey,
        ticket: &Ticket,
        stored: Activity,
        capacity: usize,
        rehash: impl Fn(&Entry) -> u64,
    ) {
        if self.find_mut(key).is_some() {
            return self.renew(key, ticket, stored);
        }
        if self.found_over.is_some_and(|later| ticket.asked < later) {
            return;
        }
        if self.entries.len() >= capacity {
            self.evict_one(key.hash);
        }
        let new = self.entry(key, ticket, stored);
        self.entries.insert_unique(key.hash, new, rehash);
    }

    /// Replaces the entry, if there is one and it was not asked for later.
    fn renew(&mut self, key: HashedKey, ticket: &Ticket, stored: Activity) {
        let new = self.entry(key, ticket, stored);
        // The answers to two questions may arrive in either order.
        if let Some(entry) = self.find_mut(key)
            && entry.asked() <= ticket.asked
        {
            *entry = new;
        }
    }

    /// Creates an entry with the gathered activity. Drops a gathered touch that does not apply.
    fn entry(&mut self, key: HashedKey, ticket: &Ticket, stored: Activity) -> Entry {
        let mut new = Entry::new(key.key, stored, ticket.asked);
        let gathered = self
            .gathered(key, ticket)
            .filter(|gathered| gathered.touch(Instant::now()).applies_to(&stored));
        match gathered {
            Some(gathered) => new.active_at(gathered.last_activity()),
            None => _ = self.gathered.remove(&key.key),
        }
        new
    }

    fn find_mut(&mut self, key: HashedKey) -> Option<&mut Entry> {
        self.entries
            .find_mut(key.hash, |entry| entry.key == key.key)
    }

    /// Removes the session, which is over.
    fn remove(&mut self, key: HashedKey) {
        self.gathered.remove(&key.key);
        self.remove_entry(key);
    }

    /// Removes the session, which this question has found over.
    ///
    /// An answer to an earlier question may still be on its way, and say that the session is live.
    /// So the answers to all earlier questions are not kept, for sessions that are not in memory.
    fn remove_over(&mut self, key: HashedKey, ticket: &Ticket) {
        self.found_over = self.found_over.max(Some(ticket.asked));
        self.remove(key);
    }

    fn remove_entry(&mut self, key: HashedKey) {
        let entry = self
            .entries
            .find_entry(key.hash, |entry| entry.key == key.key);
        if let Ok(entry) = entry {
            entry.remove();
        }
    }

    /// Removes the entry of a sample that was asked for first. Its gathered touch stays, and is
    /// written.
    fn evict_one(&mut self, hash: u64) {
        let buckets = self.entries.num_buckets();
        let Some(start) = ((hash >> 7) as usize).checked_rem(buckets) else {
            return;
        };
        let oldest = (start..buckets)
            .chain(0..start)
            .filter_map(|bucket| {
                let entry = self.entries.get_bucket(bucket)?;
                Some((entry.asked(), bucket))
            })
            .take(SAMPLE)
            .min();
        if let Some((_, bucket)) = oldest
            && let Ok(entry) = self.entries.get_bucket_entry(bucket)
        {
            entry.remove();
        }
    }
}

/// Returns the record with the touch, if the session is live then.
fn live(found: Activity, touch: &Touch) -> Option<Activity> {
    let stored = touch.applied_to(found);
    let remaining = touch.policy().remaining(&stored, touch.now());
    remaining.is_ok().then_some(stored)
}
