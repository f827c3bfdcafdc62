//! How is a share of the records locked, found, and cleared?

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::slot::Slot;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// How many records an eviction compares. Redis takes 5 and comes close to a true least-recently-used order.
const SAMPLE: usize = 8;

/// What the shards have in common: how keys are hashed, and how many records there are in all.
#[derive(Default)]
pub(super) struct Shared {
    hasher: DefaultHashBuilder,
    len: AtomicUsize,
}

impl Shared {
    /// The key's hash: seeded, so that nobody can choose ids that crowd one shard.
    pub(super) fn hash(&self, key: SessionKey) -> u64 {
        self.hasher.hash_one(u128::from_ne_bytes(key.to_bytes()))
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }
}

/// A share of the records, with a lock of its own on a cache line of its own.
///
/// The lock is held for one lookup, one sweep or one growth of this shard, and never while another is taken. The common length is
/// counted under it, so that no record is taken off before it was added.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Shard(Mutex<Records>);

#[derive(Default)]
struct Records {
    slots: HashTable<Slot>,
    // Few sessions have limits of their own, so the others do not pay for them.
    limits: BTreeMap<SessionKey, Limits>,
}

impl Shard {
    /// Writes the record, replacing what was there.
    pub(super) fn replace(
        &self,
        shared: &Shared,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) {
        self.lock().put(shared, key, activity, keep_until);
    }

    /// Writes the record if there is none. Returns the one that is there now.
    pub(super) fn insert_if_absent(
        &self,
        shared: &Shared,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Activity {
        let mut records = self.lock();
        if let Some(found) = records.find(shared.hash(key), key) {
            return found;
        }
        records.put(shared, key, activity, keep_until);
        activity
    }

    pub(super) fn load(&self, hash: u64, key: SessionKey) -> Option<Activity> {
        self.lock().find(hash, key)
    }

    /// Moves last activity where the touch applies. Returns the record as it was.
    pub(super) fn touch(&self, hash: u64, key: SessionKey, touch: &Touch) -> Option<Activity> {
        let Records { slots, limits } = &mut *self.lock();
        // Most records are where their hash points to. Looked at there, a record and the table's note on it come from memory
        // at the same time, not one after the other.
        let home = hash as usize & slots.num_buckets().wrapping_sub(1);
        let at_home = slots.get_bucket(home).is_some_and(|slot| slot.key() == key);
        let slot = if at_home {
            slots.get_bucket_mut(home)
        } else {
            slots.find_mut(hash, |slot| slot.key() == key)
        }?;
        let before = slot.activity(limits_of(slot, limits));
        let after = touch.applied_to(before);
        if after != before {
            slot.touch(after.last_activity(), touch.policy().keep_until(&after));
        }
        Some(before)
    }

    /// Revokes the record. Returns nothing if there is none.
    pub(super) fn revoke(&self, hash: u64, key: SessionKey, keep_until: Timestamp) -> Option<()> {
        let mut records = self.lock();
        let slot = records.slots.find_mut(hash, |slot| slot.key() == key)?;
        slot.revoke(keep_until);
        Some(())
    }

    /// Removes the record that was idle for longest of a sample, other than `spared`. Returns nothing if there is no other.
    pub(super) fn evict_one(&self, shared: &Shared, spared: SessionKey, random: u64) -> Option<()> {
        let mut records = self.lock();
        let buckets = records.slots.num_buckets();
        let start = (random as usize).checked_rem(buckets)?;
        let (_, key) = (start..buckets)
            .chain(0..start)
            .filter_map(|bucket| records.slots.get_bucket(bucket))
            .filter(|slot| slot.key() != spared)
            .take(SAMPLE)
            .map(|slot| (slot.last_activity(), slot.key()))
            .min()?;
        records.remove(shared, key);
        Some(())
    }

    /// Removes the records whose time is over, and hands back memory if the shard has become much emptier.
    pub(super) fn sweep(&self, shared: &Shared, now: Timestamp) {
        let Records { slots, limits } = &mut *self.lock();
        let before = slots.len();
        slots.retain(|slot| {
            let over = slot.is_over(now);
            if over && slot.is_limited() {
                limits.remove(&slot.key());
            }
            !over
        });
        shared
            .len
            .fetch_sub(before - slots.len(), Ordering::Relaxed);
        if slots.len() < slots.capacity() / 4 {
            slots.shrink_to(slots.len() * 2, |slot| shared.hash(slot.key()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        // A panic under the lock could only be an allocation failure; the records are whole all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    fn find(&self, hash: u64, key: SessionKey) -> Option<Activity> {
        let slot = self.slots.find(hash, |slot| slot.key() == key)?;
        Some(slot.activity(limits_of(slot, &self.limits)))
    }

    fn put(&mut self, shared: &Shared, key: SessionKey, activity: Activity, keep_until: Timestamp) {
        let new = Slot::new(key, &activity, keep_until);
        let entry = self.slots.entry(
            shared.hash(key),
            |slot| slot.key() == key,
            |slot| shared.hash(slot.key()),
        );
        match entry {
            Entry::Occupied(mut occupied) => *occupied.get_mut() = new,
            Entry::Vacant(vacant) => {
                vacant.insert(new);
                shared.len.fetch_add(1, Ordering::Relaxed);
            }
        }
        if new.is_limited() {
            self.limits.insert(key, activity.limits());
        } else {
            self.limits.remove(&key);
        }
    }

    fn remove(&mut self, shared: &Shared, key: SessionKey) {
        let entry = self
            .slots
            .find_entry(shared.hash(key), |slot| slot.key() == key);
        if let Ok(entry) = entry {
            entry.remove();
            self.limits.remove(&key);
            shared.len.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn limits_of(slot: &Slot, limits: &BTreeMap<SessionKey, Limits>) -> Limits {
    if slot.is_limited() {
        limits.get(&slot.key()).copied().unwrap_or_default()
    } else {
        Limits::default()
    }
}
