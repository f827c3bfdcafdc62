//! The model of the shared store: records, a log of changes, and what a crash loses.

use std::collections::{BTreeMap, VecDeque};

use tower_login_timeout::{Activity, Change, Changes, LogPosition, SessionKey, Timestamp, Touch};

use super::clock::timestamp;
use super::facts::Facts;
use super::log::Log;
use super::settings::LogKind;

/// A record stays for so long after its time: nodes whose clocks are behind may still ask for it.
const REMOVED_LATE: u64 = 120_000;

/// The longest time of which a crash can lose what was written.
pub const MOST_UNSYNCED: u64 = 6_000;

/// The shared store. It keeps the contract of `SharedStore`.
pub struct Server {
    records: BTreeMap<SessionKey, Record>,
    log: Log,
    kind: LogKind,
    /// The last writes, for a crash that loses them.
    unsynced: VecDeque<Write>,
    /// How often it has crashed. A statement that was under way then is not carried out.
    pub crashes: u64,
}

#[derive(Clone, Copy)]
struct Record {
    activity: Activity,
    keep_until: Timestamp,
}

struct Write {
    at: u64,
    key: SessionKey,
    before: Option<Record>,
    kind: WriteKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    Activity,
    Other,
}

/// What a client asks of the store.
#[derive(Clone, Debug)]
pub enum Operation {
    Create(SessionKey, Activity, Timestamp),
    Begin(SessionKey, Activity, Timestamp),
    Load(SessionKey),
    Touch(SessionKey, Touch),
    TouchMany(Vec<(SessionKey, Touch)>),
    Change(SessionKey, Change),
    Revoke(SessionKey, Timestamp),
    /// The second step of a change, where the log is not written in the first.
    Announce(SessionKey),
    ChangesSince(Option<LogPosition>),
    Time,
}

/// What the store answers.
#[derive(Clone, Debug)]
pub enum Reply {
    Done,
    Record(Option<Activity>),
    /// What was found, and the records that were not touched.
    Records {
        found: Vec<(SessionKey, Activity)>,
        lost: Vec<SessionKey>,
    },
    Changes(Changes),
    Time(Timestamp),
}

impl Server {
    pub fn new(log: LogKind) -> Self {
        Self {
            records: BTreeMap::new(),
            log: Log::new(log),
            kind: log,
            unsynced: VecDeque::new(),
            crashes: 0,
        }
    }

    /// Carries out a statement that began at that time.
    pub fn run(&mut self, operation: &Operation, began: u64, now: u64, facts: &mut Facts) -> Reply {
        match *operation {
            Operation::Create(key, activity, keep_until) => {
                let before = self.find(key, now);
                let after = Record {
                    activity,
                    keep_until,
                };
                self.write(key, before, after, WriteKind::Other, now);
                self.note(key, began, now);
                facts.record_created(key);
                Reply::Done
            }
            Operation::Begin(key, activity, keep_until) => {
                if let Some(found) = self.find(key, now) {
                    return Reply::Record(Some(found.activity));
                }
                let after = Record {
                    activity,
                    keep_until,
                };
                self.write(key, None, after, WriteKind::Other, now);
                Reply::Record(Some(activity))
            }
            Operation::Load(key) => Reply::Record(self.find(key, now).map(|found| found.activity)),
            Operation::Touch(key, touch) => Reply::Record(self.touch(key, &touch, now)),
            Operation::TouchMany(ref touches) => {
                let touched = touches
                    .iter()
                    .filter_map(|(key, touch)| Some((*key, self.touch(*key, touch, now)?)));
                Reply::Records {
                    found: touched.collect(),
                    lost: Vec::new(),
                }
            }
            Operation::Change(key, change) => {
                let Some(before) = self.find(key, now) else {
                    return Reply::Record(None);
                };
                let after = Record {
                    activity: change.applied_to(before.activity),
                    keep_until: before.keep_until.max(change.keep_until(&before.activity)),
                };
                if after.activity != before.activity {
                    self.write(key, Some(before), after, WriteKind::Other, now);
                    self.note(key, began, now);
                }
                Reply::Record(Some(before.activity))
            }
            Operation::Revoke(key, keep_until) => {
                let Some(before) = self.find(key, now) else {
                    return Reply::Record(None);
                };
                let after = Record {
                    activity: before.activity.revoked(),
                    keep_until: before.keep_until.max(keep_until),
                };
                self.write(key, Some(before), after, WriteKind::Other, now);
                self.note(key, began, now);
                facts.record_revoked(key, now);
                Reply::Record(Some(before.activity))
            }
            Operation::Announce(key) => {
                self.log.note(key, began, now);
                Reply::Done
            }
            Operation::ChangesSince(ref position) => {
                Reply::Changes(self.log.since(position.as_ref(), now))
            }
            Operation::Time => Reply::Time(timestamp(now as i64)),
        }
    }

    /// Loses what was written in the last so many milliseconds, and starts anew.
    pub fn crash(&mut self, loses: u64, now: u64, facts: &mut Facts) {
        self.crashes += 1;
        let kept = now - loses.min(now);
        // In a Cluster, the log lies on another server than most records.
        let (log_loses, records_lose) = match (self.kind, loses % 3) {
            (LogKind::ByTime, _) | (LogKind::SecondStep { .. }, 0) => (false, true),
            (LogKind::SecondStep { .. }, 1) => (true, false),
            (LogKind::Stream { .. } | LogKind::SecondStep { .. }, _) => (true, true),
        };
        if log_loses {
            self.log.lose_after(kept);
        }
        while records_lose
            && let Some(write) = self.unsynced.pop_back().filter(|write| write.at > kept)
        {
            // A database's log is written in order. So a change that was synced takes the activity
            // before it along.
            if self.kind == LogKind::ByTime && write.kind == WriteKind::Other {
                break;
            }
            match write.before {
                Some(before) => self.records.insert(write.key, before),
                None => self.records.remove(&write.key),
            };
            let restored = write.before.map(|before| before.activity);
            facts.record_lost(write.key, restored, write.kind, now);
        }
        self.unsynced.clear();
    }

    fn touch(&mut self, key: SessionKey, touch: &Touch, now: u64) -> Option<Activity> {
        let before = self.find(key, now)?;
        let after = Record {
            activity: touch.applied_to(before.activity),
            keep_until: before.keep_until.max(touch.keep_until(&before.activity)),
        };
        if after.activity != before.activity {
            self.write(key, Some(before), after, WriteKind::Activity, now);
        }
        Some(before.activity)
    }

    fn find(&mut self, key: SessionKey, now: u64) -> Option<Record> {
        let found = *self.records.get(&key)?;
        if found.keep_until < timestamp(now.saturating_sub(REMOVED_LATE) as i64) {
            self.records.remove(&key);
            return None;
        }
        Some(found)
    }

    fn write(
        &mut self,
        key: SessionKey,
        before: Option<Record>,
        after: Record,
        kind: WriteKind,
        now: u64,
    ) {
        self.records.insert(key, after);
        let is_synced = |write: &Write| write.at + MOST_UNSYNCED < now;
        while self.unsynced.front().is_some_and(is_synced) {
            self.unsynced.pop_front();
        }
        self.unsynced.push_back(Write {
            at: now,
            key,
            before,
            kind,
        });
    }

    fn note(&mut self, key: SessionKey, began: u64, now: u64) {
        if !matches!(self.kind, LogKind::SecondStep { .. }) {
            self.log.note(key, began, now);
        }
    }
}

impl Operation {
    pub fn is_write(&self) -> bool {
        !matches!(self, Self::Load(_) | Self::ChangesSince(_) | Self::Time)
    }

    /// Returns whether a client may send it again when no answer came. `Create` would undo what
    /// happened to the record in between.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Create(..))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Create(..) => "create",
            Self::Begin(..) => "begin",
            Self::Load(_) => "load",
            Self::Touch(..) => "touch",
            Self::TouchMany(_) => "touch many",
            Self::Change(..) => "change",
            Self::Revoke(..) => "revoke",
            Self::Announce(_) => "announce a change",
            Self::ChangesSince(_) => "read the log of changes",
            Self::Time => "tell the time",
        }
    }

    /// Returns a number that tells this operation from others of the same moment.
    pub fn hash(&self) -> u64 {
        let of = |kind: u64, key: &SessionKey| {
            let [first, ..] = key.to_bytes();
            kind << 8 | u64::from(first)
        };
        match self {
            Self::Create(key, ..) => of(1, key),
            Self::Begin(key, ..) => of(2, key),
            Self::Load(key) => of(3, key),
            Self::Touch(key, _) => of(4, key),
            Self::TouchMany(touches) => touches.first().map_or(5 << 8, |(key, _)| of(5, key)),
            Self::Change(key, _) => of(6, key),
            Self::Revoke(key, _) => of(7, key),
            Self::Announce(key) => of(8, key),
            Self::ChangesSince(_) => 9 << 8,
            Self::Time => 10 << 8,
        }
    }
}
