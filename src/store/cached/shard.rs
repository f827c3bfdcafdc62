//! How is a share of the answers locked, found, and let go?

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::{HashMap, HashTable};
use tokio::time::Instant;

use super::entry::{Entry, Gathered, Shared, Worth};
use super::settings::Settings;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// How many entries an eviction compares.
const SAMPLE: usize = 8;

/// A share of the answers, with a lock of its own on a cache line of its own. The lock is never held while another is
/// taken or anything is awaited.
#[repr(align(64))]
pub(super) struct Shard {
    answers: Mutex<Answers>,
    capacity: usize,
}

#[derive(Default)]
struct Answers {
    entries: HashTable<Entry>,
    gathered: HashMap<SessionKey, Gathered>,
    /// Counts what makes answers obsolete that are still on their way.
    generation: u64,
}

/// Where a session is found.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) key: SessionKey,
    pub(super) hash: u64,
}

/// What must be known of a question to the shared store when its answer comes.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    generation: u64,
    asked: Instant,
    /// What was gathered then: the shared store may answer as of before a flush that is done by the time it is heard.
    gathered: Option<Gathered>,
}

/// What is to be done with a touch.
pub(super) enum Advice {
    Answer(Activity),
    AnswerAndCheck(Activity),
    Ask,
}

impl Shard {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            answers: Mutex::default(),
            capacity,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Answers the touch where that may be done from memory, and gathers it where it is due.
    pub(super) fn consult(
        &self,
        place: Place,
        touch: &Touch,
        settings: &Settings,
        shared: Shared,
    ) -> Advice {
        let now = Instant::now();
        let Answers {
            entries, gathered, ..
        } = &mut *self.lock();
        let Some(entry) = entries.find_mut(place.hash, |entry| entry.key == place.key) else {
            return Advice::Ask;
        };
        let worth = entry.worth(touch, now, settings, shared);
        if worth == Worth::Stale {
            return Advice::Ask;
        }
        let before = entry.activity();
        if touch.applies_to(&before) {
            let has_room = gathered.len() < self.capacity || gathered.contains_key(&place.key);
            if has_room {
                gathered.insert(place.key, Gathered::new(*touch, now));
                entry.active_at(touch.last_activity());
            } else if shared == Shared::Answers {
                return Advice::Ask;
            }
        }
        if worth == Worth::Aging && entry.claim_check(now, settings.shared_timeout).is_some() {
            Advice::AnswerAndCheck(before)
        } else {
            Advice::Answer(before)
        }
    }

    /// Notes that the shared store is about to be asked.
    pub(super) fn ticket(&self, place: Place) -> Ticket {
        let answers = self.lock();
        Ticket {
            generation: answers.generation,
            asked: Instant::now(),
            gathered: answers.gathered.get(&place.key).copied(),
        }
    }

    /// Keeps what the shared store found before this touch, unless it was overtaken by something newer. Returns it
    /// with what is gathered here.
    pub(super) fn learn(
        &self,
        place: Place,
        ticket: &Ticket,
        found: Option<Activity>,
        touch: &Touch,
        rehash: impl Fn(&Entry) -> u64,
    ) -> Option<Activity> {
        let mut answers = self.lock();
        let answer = found.map(|found| match answers.gathered(place, ticket) {
            // Judged as of this touch, like what the shared store found.
            Some(gathered) => touch
                .for_activity_at(gathered.last_activity())
                .applied_to(found),
            None => found,
        });
        if ticket.generation != answers.generation {
            return answer;
        }
        let stored = found
            .map(|found| touch.applied_to(found))
            .filter(|stored| touch.policy().remaining(stored, touch.now()).is_ok());
        match stored {
            Some(stored) => answers.keep(place, ticket, stored, self.capacity, rehash),
            None => answers.remove(place),
        }
        answer
    }

    /// What the shared store found, with what is gathered here.
    pub(super) fn with_gathered(&self, place: Place, ticket: &Ticket, found: Activity) -> Activity {
        match self.lock().gathered(place, ticket) {
            Some(gathered) => gathered.touch(Instant::now()).applied_to(found),
            None => found,
        }
    }

    /// Forgets the session, and whatever answers about it are still on their way.
    pub(super) fn forget(&self, place: Place) {
        let mut answers = self.lock();
        answers.generation += 1;
        answers.remove(place);
    }

    /// Doubts every answer, and those that are still on their way.
    pub(super) fn doubt(&self) {
        let mut answers = self.lock();
        answers.generation += 1;
        answers.entries.iter_mut().for_each(Entry::doubt);
    }

    /// Removes the entries that were asked for before this moment, and hands back memory if there are much fewer than
    /// there were.
    pub(super) fn sweep(&self, oldest: Instant, rehash: impl Fn(&Entry) -> u64) {
        let Answers {
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

    /// Adds what is to be written.
    pub(super) fn add_gathered(&self, to: &mut Vec<(SessionKey, Gathered)>) {
        to.extend(
            self.lock()
                .gathered
                .iter()
                .map(|(&key, &gathered)| (key, gathered)),
        );
    }

    /// Notes that this activity is written. What came after it stays gathered.
    pub(super) fn written(&self, place: Place, at: Timestamp) {
        let Answers {
            entries, gathered, ..
        } = &mut *self.lock();
        if gathered
            .get(&place.key)
            .is_none_or(|gathered| gathered.last_activity() != at)
        {
            return;
        }
        gathered.remove(&place.key);
        if let Some(entry) = entries.find_mut(place.hash, |entry| entry.key == place.key) {
            entry.written(at);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        // A panic under the lock could only be an allocation failure; nothing is left half-done by it.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    /// What the shared store may not have known when it was asked.
    fn gathered(&self, place: Place, ticket: &Ticket) -> Option<Gathered> {
        let now = self.gathered.get(&place.key).copied();
        now.or(ticket
            .gathered
            .filter(|_| ticket.generation == self.generation))
    }

    fn keep(
        &mut self,
        place: Place,
        ticket: &Ticket,
        stored: Activity,
        capacity: usize,
        rehash: impl Fn(&Entry) -> u64,
    ) {
        let mut new = Entry::new(place.key, stored, ticket.asked);
        let gathered = self
            .gathered(place, ticket)
            .filter(|gathered| gathered.touch(Instant::now()).applies_to(&stored));
        match gathered {
            Some(gathered) => new.active_at(gathered.last_activity()),
            None => _ = self.gathered.remove(&place.key),
        }
        if let Some(entry) = self.find_mut(place) {
            // Answers may overtake each other.
            if entry.asked() <= ticket.asked {
                *entry = new;
            }
            return;
        }
        if self.entries.len() >= capacity {
            self.evict_one(place.hash);
        }
        self.entries.insert_unique(place.hash, new, rehash);
    }

    fn find_mut(&mut self, place: Place) -> Option<&mut Entry> {
        self.entries
            .find_mut(place.hash, |entry| entry.key == place.key)
    }

    fn remove(&mut self, place: Place) {
        self.gathered.remove(&place.key);
        let entry = self
            .entries
            .find_entry(place.hash, |entry| entry.key == place.key);
        if let Ok(entry) = entry {
            entry.remove();
        }
    }

    /// Removes the entry that was asked for longest ago, of a sample. What is gathered for it stays, and is written.
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
