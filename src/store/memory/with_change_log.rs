//! The log of changes of the store in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::key::SessionKey;
use crate::store::change_log::{Changes, LogPosition};

/// How many changes are kept. A reader that has fallen further behind is told so.
const LENGTH: usize = 4096;

/// The keys of the records that changed last by anything but activity.
pub(super) struct ChangeLog(Mutex<Entries>);

struct Entries {
    keys: VecDeque<SessionKey>,
    /// How many changes there were before the first key.
    dropped: u64,
}

impl ChangeLog {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Entries {
            keys: VecDeque::new(),
            dropped: 0,
        }))
    }

    /// Notes a change. The record must have changed already, so that who reads the note finds the
    /// changed record.
    pub(super) fn note(&self, key: SessionKey) {
        let mut entries = self.lock();
        if entries.keys.len() == LENGTH {
            entries.keys.pop_front();
            entries.dropped += 1;
        }
        entries.keys.push_back(key);
    }

    /// Returns the keys that were noted since this position.
    pub(super) fn since(&self, position: Option<&LogPosition>) -> Changes {
        let entries = self.lock();
        let end = entries.dropped + entries.keys.len() as u64;
        let start = position
            .and_then(|position| position.as_bytes().try_into().ok())
            .map(u64::from_be_bytes)
            .filter(|start| (entries.dropped..=end).contains(start));
        let position = LogPosition::from_bytes(end.to_be_bytes());
        match start {
            Some(start) => {
                let skipped = (start - entries.dropped) as usize;
                let keys = entries.keys.iter().skip(skipped).copied().collect();
                Changes::these(keys, position)
            }
            None => Changes::any(position),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
