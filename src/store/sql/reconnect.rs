//! The backoff between attempts to connect.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::store::random::jittered;

/// The backoff after the first failure.
const FIRST: Duration = Duration::from_millis(50);

/// The longest backoff.
const LONGEST: Duration = Duration::from_secs(5);

/// The backoff after the first refused login. Trying the same password again soon cannot help, and
/// may lock the account.
const FIRST_AFTER_LOGIN: Duration = Duration::from_secs(1);

/// The longest backoff after refused logins.
const LONGEST_AFTER_LOGIN: Duration = Duration::from_secs(30);

/// Why an attempt to connect failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The server could not be reached, did not answer, or did not accept connections.
    Unreachable,
    /// The server refused the login.
    LoginRefused,
}

/// Decides when the next attempt to connect may be made.
///
/// sqlx connects whenever a connection is needed. While the server is away, that would be for each
/// request, on each node. Here, one attempt at a time is made after a failure, and the time between
/// two attempts doubles with each failure. It is chosen at random from the upper half of its range,
/// so that nodes that lost their connections together do not come back together.
#[derive(Debug, Default)]
pub(super) struct Reconnect {
    /// Whether the last attempt failed. Read by each operation, so it needs no lock.
    failing: AtomicBool,
    /// Whether an attempt has succeeded yet.
    was_up: AtomicBool,
    state: Mutex<State>,
    /// Wakes those that wait when an attempt has succeeded.
    success: Notify,
    /// Wakes those that wait for a connection when an attempt has failed.
    failure: Notify,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the first of these failures was.
    failing_since: Option<Instant>,
    next_attempt: Option<Instant>,
}

/// What a success is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Succeeded {
    /// No attempt was made before.
    First,
    /// The database could be used before, too.
    Still,
    /// The database could not be used for this time.
    Again(Duration),
}

/// What a failed attempt is, among those that failed since the database could be used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The database could be used until now.
    First,
    Later,
}

/// The permission to connect once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// How many attempts had failed when this one began.
    failures: u32,
}

impl Reconnect {
    /// Returns the permission to connect, if it may be tried now. After a failure, other callers
    /// get none for `limit`, or until it is known how this attempt ended.
    pub(super) fn attempt(&self, limit: Duration) -> Option<Attempt> {
        if !self.failing.load(Ordering::Relaxed) {
            return Some(Attempt { failures: 0 });
        }
        let mut state = self.state();
        let now = Instant::now();
        if state.next_attempt.is_some_and(|next| now < next) {
            return None;
        }
        state.next_attempt = Some(now + limit);
        Some(Attempt {
            failures: state.failures,
        })
    }

    /// Waits until an attempt has succeeded, or the next one may be made.
    pub(super) async fn wait(&self) {
        let success = self.success.notified();
        let next_attempt = self.state().next_attempt;
        if let Some(next_attempt) = next_attempt {
            let _ = timeout_at(next_attempt, success).await;
        }
    }

    /// Records that the database can be used.
    pub(super) fn succeeded(&self) -> Succeeded {
        if self.was_up.load(Ordering::Relaxed) && !self.failing.load(Ordering::Relaxed) {
            return Succeeded::Still;
        }
        let mut state = self.state();
        let since = std::mem::take(&mut *state).failing_since;
        let was_up = self.was_up.swap(true, Ordering::Relaxed);
        self.failing.store(false, Ordering::Relaxed);
        self.success.notify_waiters();
        match since {
            Some(since) => Succeeded::Again(since.elapsed()),
            None if was_up => Succeeded::Still,
            None => Succeeded::First,
        }
    }

    /// Records that an attempt failed. Attempts that were made together count as one.
    pub(super) fn failed(&self, attempt: Attempt, reason: Reason) -> Failed {
        let mut state = self.state();
        let known = state.failing_since.is_some();
        if state.failures == attempt.failures {
            let backoff = jittered(backoff(reason, state.failures));
            state.failures = state.failures.saturating_add(1);
            state.failing_since.get_or_insert_with(Instant::now);
            state.next_attempt = Some(Instant::now() + backoff);
            self.failing.store(true, Ordering::Relaxed);
            self.failure.notify_waiters();
        }
        if known || state.failing_since.is_none() {
            Failed::Later
        } else {
            Failed::First
        }
    }

    /// Runs an attempt, unless another one fails meanwhile. Then returns nothing.
    ///
    /// Callers that wait for a connection in the queue of the pool have begun their attempts before
    /// the first one failed. Without this, each of them would connect in its turn.
    pub(super) async fn unless_another_fails<T>(
        &self,
        attempt: impl Future<Output = T>,
    ) -> Option<T> {
        let mut failure = pin!(self.failure.notified());
        let mut attempt = pin!(attempt);
        poll_fn(|context| {
            // An attempt that is ready at once does not even look at the other.
            if let Poll::Ready(output) = attempt.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            failure.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the longest time to wait after so many failures.
fn backoff(reason: Reason, failures: u32) -> Duration {
    let (first, longest) = match reason {
        Reason::Unreachable => (FIRST, LONGEST),
        Reason::LoginRefused => (FIRST_AFTER_LOGIN, LONGEST_AFTER_LOGIN),
    };
    let factor = 2_u32.saturating_pow(failures);
    first.saturating_mul(factor).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(500);

    #[tokio::test(start_paused = true)]
    async fn attempts_are_free_until_one_fails() {
        let reconnect = Reconnect::default();
        assert_eq!(reconnect.succeeded(), Succeeded::First);
        assert_eq!(reconnect.succeeded(), Succeeded::Still);
        let first = reconnect.attempt(LIMIT).unwrap();
        let second = reconnect.attempt(LIMIT).unwrap();
        reconnect.failed(first, Reason::Unreachable);
        assert!(reconnect.attempt(LIMIT).is_none());
        // It was made together with the first.
        reconnect.failed(second, Reason::Unreachable);
        tokio::time::advance(FIRST).await;
        assert!(reconnect.attempt(LIMIT).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_attempt_is_made_at_a_time() {
        let reconnect = Reconnect::default();
        let attempt = reconnect.attempt(LIMIT).unwrap();
        reconnect.failed(attempt, Reason::Unreachable);
        tokio::time::advance(FIRST).await;
        assert!(reconnect.attempt(LIMIT).is_some());
        assert!(reconnect.attempt(LIMIT).is_none());
        // The caller did not report how it ended.
        tokio::time::advance(LIMIT).await;
        assert!(reconnect.attempt(LIMIT).is_some());
        tokio::time::advance(LIMIT).await;
        let down = FIRST + 2 * LIMIT;
        assert_eq!(reconnect.succeeded(), Succeeded::Again(down));
        assert_eq!(reconnect.succeeded(), Succeeded::Still);
        assert!(reconnect.attempt(LIMIT).is_some());
        assert!(reconnect.attempt(LIMIT).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_become_rare() {
        for (reason, most) in [(Reason::Unreachable, 20), (Reason::LoginRefused, 8)] {
            let reconnect = Reconnect::default();
            let mut attempts = 0;
            for _ in 0..6_000 {
                if let Some(attempt) = reconnect.attempt(LIMIT) {
                    attempts += 1;
                    reconnect.failed(attempt, reason);
                }
                tokio::time::advance(Duration::from_millis(10)).await;
            }
            assert!(
                attempts > 3 && attempts <= most + 8,
                "{reason:?}: {attempts} in a minute"
            );
        }
    }
}
