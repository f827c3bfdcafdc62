//! The clock that follows the time of a shared store.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::clock::port::Clock;
use crate::session::time::{Timestamp, whole_millis};
use crate::store::event::observe_store::ObserveStore;
use crate::store::event::store_event::StoreEvent;
use crate::store::event::store_observers::StoreObservers;

/// How often the store is asked again. Quartz drifts by a few milliseconds in this time.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

/// A correction of at least so many milliseconds is reported. No drift is as large.
const STEP: u64 = 1_000;

/// How many samples a correction takes. The one with the shortest round trip counts.
const SAMPLES: usize = 3;

/// A clock that shows the time of a shared store, so that all nodes have the same time.
///
/// It counts from the store's time with a monotonic timer. The node's own wall clock is never read,
/// so a step of the wall clock, by NTP or by hand, does not show.
///
/// The store is asked before the clock is created and every 10 seconds after that. Its answer
/// counts as of the middle of the round trip, so the clock is off by half a round trip at most. An
/// answer that agrees with the clock within this error changes nothing. While the store fails, the
/// timer goes on. Clones show the same time, and the measuring ends with the last of them.
///
/// While the machine is suspended, the timer stands still on most systems. After that the clock is
/// behind until the next measurement, for 10 seconds at most. In this time a session that has
/// expired may pass, and activity is recorded as older than it is.
///
/// In tests, `tokio::time::pause` stops this clock and `tokio::time::advance` moves it.
///
/// `RedisStore::clock` and `SqlStore::clock` create one. For a store of your own:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::io;
/// use std::time::Duration;
/// use tower_login_timeout::{Clock, StoreClock, SystemClock};
///
/// // The clock of this store is two minutes ahead.
/// let ask = || async {
///     Ok::<_, io::Error>(SystemClock.now().saturating_add(Duration::from_secs(120)))
/// };
/// let clock = StoreClock::follow(ask).await?;
/// let ahead = clock.now().saturating_duration_since(SystemClock.now());
/// assert!(ahead > Duration::from_secs(119));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StoreClock(Arc<Following>);

struct Following {
    time: Arc<StoreTime>,
    measuring: AbortHandle,
}

/// The store's time, as a timer shows it.
struct StoreTime {
    /// When the timer started.
    started: Instant,
    /// The store's time at that moment, in milliseconds since 1970.
    at_start: AtomicI64,
    observers: StoreObservers,
}

/// One answer of the store.
struct Sample {
    round_trip: Duration,
    at_start: i64,
}

impl StoreClock {
    /// Creates a clock that follows a store. `ask` asks the store for its time.
    ///
    /// # Errors
    ///
    /// The store's error, if it does not tell the time now. A later error changes nothing.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn follow<A, F, E>(ask: A) -> Result<Self, E>
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Timestamp, E>> + Send,
        E: Send,
    {
        Self::follow_with(ask, StoreObservers::default()).await
    }

    /// Creates a clock that follows a store, and that reports each step of the store's time as
    /// [`StoreEvent::ClockStepped`](crate::StoreEvent::ClockStepped).
    ///
    /// # Errors
    ///
    /// As [`follow`](StoreClock::follow).
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn follow_observed<A, F, E>(ask: A, observer: impl ObserveStore) -> Result<Self, E>
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Timestamp, E>> + Send,
        E: Send,
    {
        let mut observers = StoreObservers::default();
        observers.push(observer);
        Self::follow_with(ask, observers).await
    }

    pub(crate) async fn follow_with<A, F, E>(ask: A, observers: StoreObservers) -> Result<Self, E>
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Timestamp, E>> + Send,
        E: Send,
    {
        let started = Instant::now();
        let first = sample(started, &ask)
            .await?
            .or_better(started, &ask)
            .await?;
        let time = Arc::new(StoreTime {
            started,
            at_start: AtomicI64::new(first.at_start),
            observers,
        });
        let measured = Arc::clone(&time);
        let measuring = tokio::spawn(async move {
            loop {
                sleep(MEASURE_EVERY).await;
                // A store that fails is asked again next time.
                let _ = measured.follow(&ask).await;
            }
        });
        Ok(Self(Arc::new(Following {
            time,
            measuring: measuring.abort_handle(),
        })))
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        let time = &*self.0.time;
        time.shown(time.at_start.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreClock")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.measuring.abort();
    }
}

impl StoreTime {
    /// Asks the store, and corrects the time unless the sample's error explains the difference.
    ///
    /// A sample with a long round trip would make a good time worse.
    async fn follow<A, F, E>(&self, ask: &A) -> Result<(), E>
    where
        A: Fn() -> F,
        F: Future<Output = Result<Timestamp, E>>,
    {
        let first = sample(self.started, ask).await?;
        let before = self.at_start.load(Ordering::Relaxed);
        if before.abs_diff(first.at_start) > whole_millis(first.round_trip / 2) {
            let best = first.or_better(self.started, ask).await?;
            self.at_start.store(best.at_start, Ordering::Relaxed);
            if before.abs_diff(best.at_start) >= STEP {
                self.observers.report(&StoreEvent::ClockStepped {
                    before: self.shown(before),
                    after: self.shown(best.at_start),
                });
            }
        }
        Ok(())
    }

    /// Returns the time now, if the store's time was this when the timer started.
    fn shown(&self, at_start: i64) -> Timestamp {
        let now = at_start.saturating_add(millis(self.started.elapsed()));
        // A store before 1970 shows the epoch.
        Timestamp::from_unix_millis(u64::try_from(now).unwrap_or(0))
    }
}

impl Sample {
    /// Takes more samples. Returns the one with the shortest round trip.
    async fn or_better<A, F, E>(self, started: Instant, ask: &A) -> Result<Self, E>
    where
        A: Fn() -> F,
        F: Future<Output = Result<Timestamp, E>>,
    {
        let mut best = self;
        for _ in 1..SAMPLES {
            let next = sample(started, ask).await?;
            if next.round_trip < best.round_trip {
                best = next;
            }
        }
        Ok(best)
    }
}

async fn sample<A, F, E>(started: Instant, ask: &A) -> Result<Sample, E>
where
    A: Fn() -> F,
    F: Future<Output = Result<Timestamp, E>>,
{
    let before = started.elapsed();
    let told = ask().await?;
    let round_trip = started.elapsed().saturating_sub(before);
    let middle = before.saturating_add(round_trip / 2);
    // A timestamp has 48 bits.
    let at_start = told.as_unix_millis() as i64 - millis(middle);
    Ok(Sample {
        round_trip,
        at_start,
    })
}

/// Returns the milliseconds, rounded down: a moment that has not come yet must not be shown.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::ready;
    use std::sync::atomic::AtomicUsize;

    use tokio::time::advance;

    use super::*;
    use crate::clock::manual::ManualClock;
    use crate::clock::system::SystemClock;

    const NOON: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    async fn following(store: &ManualClock) -> StoreClock {
        let store = store.clone();
        let ask = move || ready(Ok::<_, Infallible>(store.now()));
        StoreClock::follow(ask).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn it_counts_from_the_stores_time_with_the_timer() {
        let clock = following(&ManualClock::at(NOON)).await;
        assert_eq!(clock.now(), NOON);
        for second in 1..10 {
            advance(SECOND).await;
            assert_eq!(clock.now(), NOON.saturating_add(second * SECOND));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_show_the_wall_clock() {
        let clock = following(&ManualClock::at(NOON)).await;
        let wall_clock = SystemClock.now();
        while SystemClock.now() == wall_clock {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(clock.now(), NOON);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_counts_as_of_the_middle_of_the_round_trip() {
        let clock = StoreClock::follow(|| async {
            sleep(SECOND).await;
            Ok::<_, Infallible>(NOON)
        });
        let clock = clock.await.unwrap();
        // The first of the three equal samples counts.
        assert_eq!(clock.now(), NOON.saturating_add(SECOND * 5 / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_sample_with_the_shortest_round_trip_counts() {
        let asked = AtomicUsize::new(0);
        let clock = StoreClock::follow(move || {
            let (delay, told) = match asked.fetch_add(1, Ordering::Relaxed) {
                1 => (2, NOON),
                _ => (900, Timestamp::UNIX_EPOCH),
            };
            async move {
                sleep(Duration::from_millis(delay)).await;
                Ok::<_, Infallible>(told)
            }
        });
        let after = Duration::from_millis(1 + 900);
        assert_eq!(clock.await.unwrap().now(), NOON.saturating_add(after));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_measurement_that_agrees_changes_nothing() {
        let started = Instant::now();
        let asked = AtomicUsize::new(0);
        let clock = StoreClock::follow(move || {
            let is_first = asked.fetch_add(1, Ordering::Relaxed) < SAMPLES;
            async move {
                // The whole second passes on the way there.
                sleep(if is_first { Duration::ZERO } else { SECOND }).await;
                Ok::<_, Infallible>(NOON.saturating_add(started.elapsed()))
            }
        });
        let clock = clock.await.unwrap();
        sleep(MEASURE_EVERY * 2).await;
        assert_eq!(clock.now(), NOON.saturating_add(started.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_steps_is_followed_and_one_that_fails_is_remembered() {
        let store = ManualClock::at(NOON);
        let told = store.clone();
        let asked = AtomicUsize::new(0);
        let clock = StoreClock::follow(move || {
            // The second measurement fails.
            let answer = match asked.fetch_add(1, Ordering::Relaxed) {
                SAMPLES => Err("away"),
                _ => Ok(told.now()),
            };
            ready(answer)
        });
        let clock = clock.await.unwrap();
        let started = Instant::now();
        store.set(Timestamp::UNIX_EPOCH);
        sleep(MEASURE_EVERY + SECOND).await;
        assert_eq!(clock.now(), NOON.saturating_add(started.elapsed()));
        sleep(MEASURE_EVERY).await;
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH.saturating_add(SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_of_the_store_is_reported_and_drift_is_not() {
        let store = ManualClock::at(NOON);
        let told = store.clone();
        let steps = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = Arc::clone(&steps);
        let clock = StoreClock::follow_observed(
            move || ready(Ok::<_, Infallible>(told.now())),
            move |event: &StoreEvent<'_>| match event {
                StoreEvent::ClockStepped { before, after } => {
                    seen.lock().unwrap().push((*before, *after));
                }
                event => panic!("{event:?}"),
            },
        );
        let clock = clock.await.unwrap();
        let drifted = MEASURE_EVERY - Duration::from_millis(5);
        store.set(NOON.saturating_add(drifted));
        sleep(MEASURE_EVERY + Duration::from_millis(1)).await;
        assert!(steps.lock().unwrap().is_empty());

        let stepped = NOON.saturating_add(60 * SECOND);
        store.set(stepped);
        sleep(MEASURE_EVERY).await;
        let before = NOON.saturating_add(drifted + MEASURE_EVERY);
        assert_eq!(*steps.lock().unwrap(), [(before, stepped)]);
        drop(clock);
    }

    #[tokio::test]
    async fn measuring_ends_with_the_last_clone() {
        let held = Arc::new(());
        let with = Arc::clone(&held);
        let clock = StoreClock::follow(move || {
            let _with = &with;
            ready(Ok::<_, Infallible>(NOON))
        });
        let clock = clock.await.unwrap();
        drop(clock.clone());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(clock);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn time_ends_at_the_latest_moment() {
        let clock = following(&ManualClock::at(Timestamp::MAX)).await;
        advance(SECOND).await;
        assert_eq!(clock.now(), Timestamp::MAX);
    }
}
