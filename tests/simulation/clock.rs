//! The clocks of nodes: wrong by a constant, drifting, stepping, or following the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;
use tower_login_timeout::{Clock, StoreClock, Timestamp};

/// When a run begins, in Unix time.
pub const EPOCH: u64 = 1_700_000_000_000;

/// The clock of a node.
#[derive(Clone)]
pub enum NodeClock {
    Own(Arc<OwnClock>),
    Store(StoreClock),
}

/// A clock that is wrong.
pub struct OwnClock {
    began: Instant,
    /// How far it is ahead at the beginning, in milliseconds. It can be set.
    ahead: AtomicI64,
    /// How much it gains, in millionths.
    drift: i64,
}

impl NodeClock {
    /// Returns what the clock shows, in milliseconds since the true beginning of the run.
    pub fn reading(&self) -> i64 {
        reading_of(self.now())
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        match self {
            Self::Own(own) => own.now(),
            Self::Store(store) => store.now(),
        }
    }
}

impl OwnClock {
    pub fn new(began: Instant, ahead: i64, drift: i64) -> Self {
        Self {
            began,
            ahead: AtomicI64::new(ahead),
            drift,
        }
    }

    /// Sets the clock so far ahead of the true time, not counting its drift.
    pub fn set(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        let passed = self.began.elapsed().as_millis() as i64;
        let wrong = self.ahead.load(Ordering::Relaxed) + passed * self.drift / 1_000_000;
        timestamp(passed + wrong)
    }
}

/// Returns the moment so many milliseconds after the beginning of the run.
pub fn timestamp(reading: i64) -> Timestamp {
    Timestamp::from_unix_millis(EPOCH.saturating_add_signed(reading))
}

/// Returns a moment in milliseconds since the beginning of the run.
pub fn reading_of(at: Timestamp) -> i64 {
    at.as_unix_millis() as i64 - EPOCH as i64
}
