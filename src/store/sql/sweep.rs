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

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::session::time::{Timestamp, whole_millis};

/// The number of rows in a page.
pub(super) const PAGE: usize = 1000;

const BETWEEN_PAGES: Duration = Duration::from_millis(100);
const BETWEEN_ROUNDS: Duration = Duration::from_secs(60);
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// The position of the sweep, and the time of its next page.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The time at which the next page is due.
    due: AtomicU64,
    /// The time at which the last page was due.
    seen: AtomicU64,
    /// The last key of the page before. Locked while a page is swept, so that one page is swept at
    /// a time.
    pub(super) after: Mutex<Vec<u8>>,
}

impl Sweep {
    /// Returns the time to sweep with, if a page is due. The caller then sweeps it. Other callers
    /// get `None` until the next page is due.
    ///
    /// The time is that of the call before, so that one operation whose time is far ahead of the
    /// others removes nothing.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.due.load(Ordering::Relaxed);
        let now_millis = now.as_unix_millis();
        // A clock that was ahead and stepped back must not stop the sweep until it has caught up.
        let far_ahead = due > now_millis.saturating_add(whole_millis(BETWEEN_ROUNDS));
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
    fn pages_follow_soon_and_rounds_wait() {
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
        sweep.plan(PAGE, Some(vec![7]));
        assert_eq!(sweep.due(Timestamp::MAX), Some(NOON));
        assert_eq!(sweep.due(Timestamp::MAX), None);
        sweep.plan(0, None);
        let next = after(BETWEEN_PAGES);
        assert_eq!(sweep.due(next), Some(next));
    }
}
