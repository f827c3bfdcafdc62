//! The model of a store's log of changes, in its two kinds.

use std::collections::VecDeque;

use tower_login_timeout::{Changes, LogPosition, SessionKey};

use super::settings::LogKind;

/// How many entries one read of a stream returns.
const BATCH: usize = 16;

/// For how long a log by time can be read back, and how far each read goes back behind its
/// position. No statement takes as long.
const KEPT: u64 = 20_000;
const OVERLAP: u64 = 5_000;

/// A store's log of changes.
pub struct Log {
    kind: LogKind,
    entries: VecDeque<Entry>,
    /// How many entries there were before the first one.
    cut: u64,
    /// Grows when entries are lost. Then no position of before means anything.
    life: u64,
}

struct Entry {
    key: SessionKey,
    /// When the statement began that made the change, and when it ended.
    began: u64,
    ended: u64,
}

impl Log {
    pub fn new(kind: LogKind) -> Self {
        Self {
            kind,
            entries: VecDeque::new(),
            cut: 0,
            life: 0,
        }
    }

    /// Notes a change by a statement that began at that time.
    pub fn note(&mut self, key: SessionKey, began: u64, now: u64) {
        let ended = now;
        self.entries.push_back(Entry { key, began, ended });
        match self.kind {
            LogKind::Stream { length } | LogKind::SecondStep { length } => {
                if self.entries.len() > length {
                    self.entries.pop_front();
                    self.cut += 1;
                }
            }
            LogKind::ByTime => {
                let is_old = |entry: &Entry| entry.ended + KEPT + OVERLAP < now;
                while self.entries.front().is_some_and(is_old) {
                    self.entries.pop_front();
                }
            }
        }
    }

    /// Returns what has changed since a position.
    pub fn since(&self, position: Option<&LogPosition>, now: u64) -> Changes {
        let position = position.and_then(|position| read(position, self.life));
        match self.kind {
            LogKind::Stream { .. } | LogKind::SecondStep { .. } => self.behind(position),
            LogKind::ByTime => self.later_than(position, now),
        }
    }

    /// Loses what was noted later than that.
    pub fn lose_after(&mut self, at: u64) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.ended <= at);
        if self.entries.len() < before {
            self.life += 1;
        }
    }

    fn behind(&self, position: Option<u64>) -> Changes {
        let end = self.cut + self.entries.len() as u64;
        let Some(start) = position.filter(|start| (self.cut..=end).contains(start)) else {
            return Changes::any(self.position(end));
        };
        let entries = self.entries.iter().skip((start - self.cut) as usize);
        let keys: Vec<_> = entries.take(BATCH).map(|entry| entry.key).collect();
        let next = start + keys.len() as u64;
        let changes = Changes::these(keys, self.position(next));
        if next < end {
            changes.with_more()
        } else {
            changes
        }
    }

    fn later_than(&self, position: Option<u64>, now: u64) -> Changes {
        let Some(since) = position.filter(|since| now.saturating_sub(*since) < KEPT) else {
            return Changes::any(self.position(now));
        };
        let is_later = |entry: &&Entry| entry.began + OVERLAP > since;
        let entries = self.entries.iter().filter(is_later);
        Changes::these(entries.map(|entry| entry.key).collect(), self.position(now))
    }

    fn position(&self, at: u64) -> LogPosition {
        let (life, at) = (self.life.to_be_bytes(), at.to_be_bytes());
        LogPosition::from_bytes([life, at].concat())
    }
}

/// Returns where the position is, if it is of this life of the log.
fn read(position: &LogPosition, life: u64) -> Option<u64> {
    let (written, at) = position.as_bytes().split_first_chunk()?;
    let is_ours = u64::from_be_bytes(*written) == life;
    is_ours.then_some(u64::from_be_bytes(at.try_into().ok()?))
}
