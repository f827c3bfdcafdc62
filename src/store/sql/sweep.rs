//! When are old records removed?
//!
//! Removal needs no index: one on the time of removal would change with every touch, and make each of them cost twice.
//! Instead the table is walked in the order of its keys, a page at a time, and what is over is removed from each page.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::session::time::{Timestamp, whole_millis};

/// How many rows are looked at, and removed at most, at a time.
pub(super) const PAGE: usize = 1000;

const BETWEEN_PAGES: Duration = Duration::from_millis(100);
const BETWEEN_ROUNDS: Duration = Duration::from_secs(60);
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// Where the walk is, and when it goes on.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    due: AtomicU64,
    /// When a page was last due.
    seen: AtomicU64,
    /// The key that the next page follows. Held while a page is looked at, so that there is one at a time.
    pub(super) after: Mutex<Vec<u8>>,
}

impl Sweep {
    /// Whether a page is due, and as of when. Who is told so has to look at it: the others are told no until it should
    /// be done.
    ///
    /// It is looked at as of when the page before was due: one operation whose time is far ahead of all others removes
    /// nothing.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.due.load(Ordering::Relaxed);
        let now_millis = now.as_unix_millis();
        // A clock that was ahead and jumped back must not stop the walk until it has caught up.
        let far_ahead = due > now_millis.saturating_add(whole_millis(BETWEEN_ROUNDS));
        if now_millis < due && !far_ahead {
            return None;
        }
        // Should the page fail, the next one to come after this tries again.
        let again = now_millis.saturating_add(whole_millis(AFTER_A_FAILURE));
        self.due
            .compare_exchange(due, again, Ordering::Relaxed, Ordering::Relaxed)
            .ok()?;
        let seen = self.seen.swap(now_millis, Ordering::Relaxed);
        Some(Timestamp::from_unix_millis(seen.min(now_millis)))
    }

    /// Plans the next page, after one of so many rows, and answers what it follows.
    pub(super) fn plan(&self, rows: usize, last: Option<Vec<u8>>) -> Vec<u8> {
        let (wait, after) = match last {
            Some(last) if rows >= PAGE => (BETWEEN_PAGES, last),
            _ => (BETWEEN_ROUNDS, Vec::new()),
        };
        let seen = self.seen.load(Ordering::Relaxed);
        let due = seen.saturating_add(whole_millis(wait));
        self.due.store(due, Ordering::Relaxed);
        after
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
    fn pages_follow_each_other_and_rounds_wait() {
        let sweep = Sweep::default();
        assert!(sweep.due(NOON).is_some());
        assert_eq!(sweep.due(NOON), None);
        assert_eq!(sweep.plan(PAGE, Some(vec![7])), [7]);
        assert_eq!(sweep.due(NOON), None);
        let next = after(BETWEEN_PAGES);
        assert_eq!(sweep.due(next), Some(NOON));
        assert!(sweep.plan(PAGE - 1, Some(vec![9])).is_empty());
        let round = next.saturating_add(BETWEEN_ROUNDS);
        assert_eq!(
            sweep.due(round.saturating_sub(Duration::from_millis(1))),
            None
        );
        assert_eq!(sweep.due(round), Some(next));
    }

    #[test]
    fn a_page_that_fails_is_tried_again() {
        let sweep = Sweep::default();
        for attempt in 0..5 {
            assert!(sweep.due(after(AFTER_A_FAILURE * attempt)).is_some());
        }
    }

    #[test]
    fn a_clock_that_jumps_ahead_removes_nothing_and_does_not_stop_the_walk() {
        let sweep = Sweep::default();
        sweep.due(NOON);
        sweep.plan(PAGE, Some(vec![7]));
        assert_eq!(sweep.due(Timestamp::MAX), Some(NOON));
        assert_eq!(sweep.due(Timestamp::MAX), None);
        sweep.plan(0, None);
        let next = after(BETWEEN_PAGES);
        assert_eq!(sweep.due(next), Some(next));
    }
}
