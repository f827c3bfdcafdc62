//! A share of the records behind one lock.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::slot::{Extra, Slot};
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// How many records an eviction compares. Redis takes 5 and comes close to a true
/// least-recently-used order.
const SAMPLE: usize = 8;

/// What the shards have in common: how keys are hashed, and how many records there are in all.
#[derive(Default)]
pub(super) struct Common {
    hasher: DefaultHashBuilder,
    len: AtomicUsize,
}

impl Common {
    /// Returns the key's hash. It is seeded, so that an attacker cannot choose ids that crowd one
    /// shard.
    pub(super) fn hash(&self, key: SessionKey) -> u64 {
        self.hasher.hash_one(u128::from_ne_bytes(key.to_bytes()))
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }
}

/// A share of the records, with a lock of its own on a cache line of its own.
///
/// The lock is held for one lookup, one sweep or one growth of this shard, and never while another
/// is taken. The common length is counted under it, so that no record is taken off before it was
/// added.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Shard(Mutex<Records>);

#[derive(Default)]
struct Records {
    slots: HashTable<Slot>,
    /// The extras of the few sessions that have one, so that the others do not pay for them.
    extras: BTreeMap<SessionKey, Extra>,
    /// How many of the slots are revoked.
    revoked: usize,
}

impl Shard {
    /// Writes the record, replacing what was there. Returns whether there was a record.
    pub(super) fn replace(
        &self,
        common: &Common,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> bool {
        self.lock().put(common, key, activity, keep_until)
    }

    /// Writes the record if there is none. Returns the one that is there now.
    pub(super) fn insert_if_absent(
        &self,
        common: &Common,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Activity {
        let mut records = self.lock();
        if let Some(found) = records.find(common.hash(key), key) {
            return found;
        }
        records.put(common, key, activity, keep_until);
        activity
    }

    pub(super) fn load(&self, hash: u64, key: SessionKey) -> Option<Activity> {
        self.lock().find(hash, key)
    }

    /// Moves last activity to where the touch says, if it applies. Returns the record as it was.
    pub(super) fn touch(&self, hash: u64, key: SessionKey, touch: &Touch) -> Option<Activity> {
        let Records { slots, extras, .. } = &mut *self.lock();
        // Most records are where their hash points to. Looked at there, a record and the table's
        // note on it come from memory at the same time, not one after the other.
        let home = hash as usize & slots.num_buckets().wrapping_sub(1);
        let at_home = slots.get_bucket(home).is_some_and(|slot| slot.key() == key);
        let slot = if at_home {
            slots.get_bucket_mut(home)
        } else {
            slots.find_mut(hash, |slot| slot.key() == key)
        }?;
        let before = activity(slot, extras);
        let after = touch.applied_to(before);
        if after != before {
            slot.touch(after.last_activity(), touch.policy().keep_until(&after));
        }
        Some(before)
    }

    /// Makes the change, if it applies. Returns the record as it was.
    pub(super) fn change(&self, hash: u64, key: SessionKey, change: &Change) -> Option<Activity> {
        let Records { slots, extras, .. } = &mut *self.lock();
        let slot = slots.find_mut(hash, |slot| slot.key() == key)?;
        let before = activity(slot, extras);
        let after = change.applied_to(before);
        if after != before {
            slot.change(&after, change.keep_until(&before));
            keep_extra(extras, slot, &after);
        }
        Some(before)
    }

    /// Revokes the record. Returns it as it was.
    pub(super) fn revoke(
        &self,
        hash: u64,
        key: SessionKey,
        keep_until: Timestamp,
    ) -> Option<Activity> {
        let Records {
            slots,
            extras,
            revoked,
        } = &mut *self.lock();
        let slot = slots.find_mut(hash, |slot| slot.key() == key)?;
        let before = activity(slot, extras);
        if !before.is_revoked() {
            *revoked += 1;
        }
        slot.revoke(keep_until);
        Some(before)
    }

    /// Removes the record that was idle for longest of a sample, other than `spared`. Returns it,
    /// or nothing if there is none that may go.
    pub(super) fn evict_one(
        &self,
        common: &Common,
        spared: SessionKey,
        random: u64,
        evictable: Evictable,
    ) -> Option<Slot> {
        let mut records = self.lock();
        // Without this look, a shard full of revoked records would be walked in vain.
        if evictable == Evictable::NotRevoked && records.revoked == records.slots.len() {
            return None;
        }
        let buckets = records.slots.num_buckets();
        let start = (random as usize).checked_rem(buckets)?;
        let (_, key) = (start..buckets)
            .chain(0..start)
            .filter_map(|bucket| records.slots.get_bucket(bucket))
            .filter(|slot| slot.key() != spared)
            .filter(|slot| evictable == Evictable::Any || !slot.is_revoked())
            .take(SAMPLE)
            .map(|slot| (slot.last_activity(), slot.key()))
            .min()?;
        records.remove(common, key)
    }

    /// Removes the records whose time is over, and hands back memory if the shard has become much
    /// emptier.
    pub(super) fn sweep(&self, common: &Common, now: Timestamp) {
        let Records {
            slots,
            extras,
            revoked,
        } = &mut *self.lock();
        let before = slots.len();
        slots.retain(|slot| {
            let over = slot.is_over(now);
            if over && slot.has_extra() {
                extras.remove(&slot.key());
            }
            if over && slot.is_revoked() {
                *revoked -= 1;
            }
            !over
        });
        common
            .len
            .fetch_sub(before - slots.len(), Ordering::Relaxed);
        if slots.len() < slots.capacity() / 4 {
            slots.shrink_to(slots.len() * 2, |slot| common.hash(slot.key()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        // A panic under the lock could only be an allocation failure; the records are whole all the
        // same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which records an eviction may take.
///
/// Revoked ones go last: a revoked id whose record is gone is unknown, and may begin again where
/// the policy lets unknown ids begin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Evictable {
    NotRevoked,
    Any,
}

impl Records {
    fn find(&self, hash: u64, key: SessionKey) -> Option<Activity> {
        let slot = self.slots.find(hash, |slot| slot.key() == key)?;
        Some(activity(slot, &self.extras))
    }

    /// Writes the record. Returns whether it replaced one.
    fn put(
        &mut self,
        common: &Common,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> bool {
        let new = Slot::new(key, &activity, keep_until);
        let entry = self.slots.entry(
            common.hash(key),
            |slot| slot.key() == key,
            |slot| common.hash(slot.key()),
        );
        let replaces = match entry {
            Entry::Occupied(mut occupied) => {
                self.revoked -= usize::from(occupied.get().is_revoked());
                *occupied.get_mut() = new;
                true
            }
            Entry::Vacant(vacant) => {
                vacant.insert(new);
                common.len.fetch_add(1, Ordering::Relaxed);
                false
            }
        };
        self.revoked += usize::from(new.is_revoked());
        keep_extra(&mut self.extras, &new, &activity);
        replaces
    }

    fn remove(&mut self, common: &Common, key: SessionKey) -> Option<Slot> {
        let entry = self
            .slots
            .find_entry(common.hash(key), |slot| slot.key() == key);
        let (removed, _) = entry.ok()?.remove();
        self.revoked -= usize::from(removed.is_revoked());
        self.extras.remove(&key);
        common.len.fetch_sub(1, Ordering::Relaxed);
        Some(removed)
    }
}

fn activity(slot: &Slot, extras: &BTreeMap<SessionKey, Extra>) -> Activity {
    if slot.has_extra() {
        let extra = extras.get(&slot.key()).copied().unwrap_or_default();
        slot.activity(&extra)
    } else {
        slot.activity(&Extra::default())
    }
}

fn keep_extra(extras: &mut BTreeMap<SessionKey, Extra>, slot: &Slot, activity: &Activity) {
    if slot.has_extra() {
        extras.insert(slot.key(), Extra::of(activity));
    } else {
        extras.remove(&slot.key());
    }
}
