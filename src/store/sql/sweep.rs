//! The schedule of the sweep, which removes old rows.
//!
//! The sweep is a keyset walk. It reads a page of rows in the order of the primary key, removes
//! those whose time of removal has come, and remembers the last key of the page. The next page
//! begins after that key. At the end of the table it starts again from the beginning. An index on
//! the time of removal would find old rows directly, but every touch changes that time, so every
//! touch would have to change the index too, and would cost about twice as much. A walk by `OFFSET`
//! would read each page from the beginning of the table. A walk by key reads every row once a
//! round, needs only the index that exists, and rows that appear or disappear meanwhile do not
//! shift the pages that follow.
//!
//! One node sweeps at a time. It claims the sweep with each page, in a table of one row, for
//! [`CLAIM`]. The other nodes try to claim it about once a minute. So the rows that are read for
//! the sweep do not become more with the number of nodes. When the node that sweeps is gone, its
//! claim runs out by the clock of the database, and another node begins a new round.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::session::time::{Timestamp, whole_millis};
use crate::store::random::{jittered, random};

/// The number of rows in a page.
pub(super) const PAGE: usize = 1000;

const BETWEEN_PAGES: Duration = Duration::from_millis(100);
const BETWEEN_ROUNDS: Duration = Duration::from_secs(60);
/// The time for which a node claims the sweep. It is longer than the pause between two rounds, so
/// that the same node goes on.
pub(super) const CLAIM: Duration = Duration::from_secs(90);

/// The factor by which a node sweeps less often that cannot know whether others sweep.
const WITHOUT_CLAIM: u32 = 10;

const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// The position of the sweep, and the time of its next page.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The number of this store among those that sweep the same table.
    sweeper: i64,
    /// The time at which the next page is due.
    due: AtomicU64,
    /// The time at which the last page was due.
    seen: AtomicU64,
    /// The last key of the page before. Locked while a page is swept, so that one page is swept at
    /// a time.
    pub(super) after: Mutex<Vec<u8>>,
}

/// How often a store sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It is the only one that sweeps.
    Only,
    /// Others may sweep too.
    OneOfMany,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            sweeper: (random() >> 1) as i64,
            due: AtomicU64::default(),
            seen: AtomicU64::default(),
            after: Mutex::default(),
        }
    }
}

impl Sweep {
    pub(super) fn sweeper(&self) -> i64 {
        self.sweeper
    }

    /// Returns the time to sweep with, if a page is due. The caller then sweeps it. Other callers
    /// get `None` until the next page is due.
    ///
    /// The time is that of the call before, so that one operation whose time is far ahead of the
    /// others removes nothing.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.due.load(Ordering::Relaxed);
        let now_millis = now.as_unix_millis();
        // A clock that was ahead and stepped back must not stop the sweep until it has caught up.
        let far_ahead =
            due > now_millis.saturating_add(whole_millis(BETWEEN_ROUNDS * WITHOUT_CLAIM));
        if now_millis < due && !far_ahead {
            return None;
        }
        // If this page fails, a later call sweeps it again.
        let again = now_millis.saturating_add(whole_millis(AFTER_A_FAILURE));
        self.due
            .compare_exchange(due, again, Ordering::Relaxed, Ordering::Relaxed)
            .ok()?;
        let seen = self.seen.swap(now_millis, Ordering::Relaxed);
        Some(Timestamp::from_unix_millis(seen.min(now_millis)))
    }

    /// Schedules the next page after a page with this many rows. Returns the key that it follows.
    pub(super) fn plan(&self, pace: Pace, rows: usize, last: Option<Vec<u8>>) -> Vec<u8> {
        let (wait, after) = match last {
            Some(last) if rows >= PAGE => (BETWEEN_PAGES, last),
            _ => (BETWEEN_ROUNDS, Vec::new()),
        };
        self.wait(match pace {
            Pace::Only => wait,
            Pace::OneOfMany => jittered(wait * WITHOUT_CLAIM),
        });
        after
    }

    /// Schedules the next attempt to claim the sweep. Returns the key from which it begins.
    pub(super) fn stand_by(&self) -> Vec<u8> {
        self.wait(jittered(BETWEEN_ROUNDS));
        Vec::new()
    }

    fn wait(&self, wait: Duration) {
        let seen = self.seen.load(Ordering::Relaxed);
        let due = seen.saturating_add(whole_millis(wait));
        self.due.store(due, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn after(wait: Duration) -> Timestamp {
        NOON.saturating_add(wait)
    }

    #[test]
    fn pages_follow_soon_and_rounds_wait() {
        let sweep = Sweep::default();
        assert!(sweep.due(NOON).is_some());
        assert_eq!(sweep.due(NOON), None);
        assert_eq!(sweep.plan(Pace::Only, PAGE, Some(vec![7])), [7]);
        assert_eq!(sweep.due(NOON), None);
        let next = after(BETWEEN_PAGES);
        assert_eq!(sweep.due(next), Some(NOON));
        assert!(sweep.plan(Pace::Only, PAGE - 1, Some(vec![9])).is_empty());
        let round = next.saturating_add(BETWEEN_ROUNDS);
        assert_eq!(
            sweep.due(round.saturating_sub(Duration::from_millis(1))),
            None
        );
        assert_eq!(sweep.due(round), Some(next));
    }

    #[test]
    fn a_failed_page_is_swept_again() {
        let sweep = Sweep::default();
        for attempt in 0..5 {
            assert!(sweep.due(after(AFTER_A_FAILURE * attempt)).is_some());
        }
    }

    #[test]
    fn a_clock_that_steps_ahead_removes_nothing_and_does_not_stop_the_sweep() {
        let sweep = Sweep::default();
        sweep.due(NOON);
        sweep.plan(Pace::Only, PAGE, Some(vec![7]));
        assert_eq!(sweep.due(Timestamp::MAX), Some(NOON));
        assert_eq!(sweep.due(Timestamp::MAX), None);
        sweep.plan(Pace::Only, 0, None);
        let next = after(BETWEEN_PAGES);
        assert_eq!(sweep.due(next), Some(next));
    }
}
