//! The clock that tests move by hand.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::port::Clock;
use crate::clock::sleep::Sleep;
use crate::session::time::Timestamp;

/// Tells the time that a test sets. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let start = clock.now();
/// clock.clone().advance(Duration::from_secs(60));
/// assert_eq!(clock.now().saturating_duration_since(start), Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Hand>);

struct Hand {
    now: AtomicU64,
    /// Who waits for a later moment, in the order of the moments. Each has a number of its own.
    sleepers: Mutex<BTreeMap<(Timestamp, u64), Waker>>,
    sleeps: AtomicU64,
}

impl ManualClock {
    /// Creates a clock that stands at 2023-11-14T22:13:20Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp::from_unix_millis(1_700_000_000_000))
    }

    /// Creates a clock that stands at this moment.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Hand {
            now: AtomicU64::new(now.as_unix_millis()),
            sleepers: Mutex::default(),
            sleeps: AtomicU64::new(0),
        }))
    }

    /// Moves the clock forward, at most to [`Timestamp::MAX`]. Wakes what waits for a moment that
    /// has come.
    pub fn advance(&self, by: Duration) {
        let later = |now| {
            Some(
                Timestamp::from_unix_millis(now)
                    .saturating_add(by)
                    .as_unix_millis(),
            )
        };
        // `later` always returns a time, so this cannot fail.
        let _ = self
            .0
            .now
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
        self.wake();
    }

    /// Sets the clock, forward or backward. Wakes what waits for a moment that has come.
    pub fn set(&self, now: Timestamp) {
        self.0.now.store(now.as_unix_millis(), Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        let due = {
            let mut sleepers = self.0.lock_sleepers();
            let later = sleepers.split_off(&(self.now(), u64::MAX));
            std::mem::replace(&mut *sleepers, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.now.load(Ordering::SeqCst))
    }

    fn sleep(&self, time: Duration) -> Sleep {
        let until = self.now().saturating_add(time);
        let number = self.0.sleeps.fetch_add(1, Ordering::Relaxed);
        Sleep::of(Sleeper {
            clock: self.clone(),
            place: (until, number),
        })
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}

impl Hand {
    fn lock_sleepers(&self) -> MutexGuard<'_, BTreeMap<(Timestamp, u64), Waker>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for a moment.
struct Sleeper {
    clock: ManualClock,
    /// The moment, and the number of this wait.
    place: (Timestamp, u64),
}

impl Future for Sleeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The clock is moved before it takes the lock to wake. So either this sees the new time, or
        // the one that moves the clock sees this waker.
        let mut sleepers = self.clock.0.lock_sleepers();
        if self.clock.now() >= self.place.0 {
            return Poll::Ready(());
        }
        sleepers.insert(self.place, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.clock.0.lock_sleepers().remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::task::spawn;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_sleeper_wakes_when_its_moment_has_come_and_not_before() {
        let clock = ManualClock::new();
        let mut short = spawn(clock.sleep(SECOND));
        let mut long = spawn(clock.sleep(2 * SECOND));
        assert!(short.poll().is_pending());
        assert!(long.poll().is_pending());
        clock.advance(SECOND / 2);
        assert!(!short.is_woken());
        clock.advance(SECOND / 2);
        assert!(short.is_woken());
        assert!(!long.is_woken());
        assert!(short.poll().is_ready());
        clock.set(clock.now().saturating_add(SECOND));
        assert!(long.is_woken());
        assert!(long.poll().is_ready());
    }

    #[test]
    fn a_sleeper_that_is_dropped_leaves_nothing_behind() {
        let clock = ManualClock::new();
        let mut sleeper = spawn(clock.sleep(SECOND));
        assert!(sleeper.poll().is_pending());
        assert_eq!(clock.0.lock_sleepers().len(), 1);
        drop(sleeper);
        assert!(clock.0.lock_sleepers().is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_delays_its_sleepers() {
        let clock = ManualClock::new();
        let mut sleeper = spawn(clock.sleep(SECOND));
        clock.set(Timestamp::UNIX_EPOCH);
        assert!(sleeper.poll().is_pending());
        clock.advance(2 * SECOND);
        assert!(sleeper.poll().is_pending());
    }
}
