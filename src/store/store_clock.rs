//! The clock that follows the time of a shared store.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::session::time::Timestamp;

/// How often the offset is measured again. Quartz drifts by a few milliseconds in this time.
const EVERY: Duration = Duration::from_secs(30);

/// Of so many samples, the one with the shortest round trip counts.
const SAMPLES: usize = 3;

/// A clock that shows the time of a shared store, for nodes whose own clocks differ.
///
/// It is the node's clock plus an offset. The offset is measured before the clock is handed out and
/// every 30 seconds from then on, as the difference between the store's time and the middle of the
/// round trip that asked for it, so it is off by half a round trip at most. While the store is
/// away, the last offset stays. Clones show the same time; the measuring ends with the last of
/// them.
///
/// `RedisStore::clock` and `SqlStore::clock` make one. For a store of your own:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::io;
/// use std::time::Duration;
/// use tower_login_timeout::{Clock, ManualClock, StoreClock};
///
/// let ours = ManualClock::new();
/// let theirs = ours.now().saturating_add(Duration::from_secs(120));
/// let ask = move || async move { Ok::<_, io::Error>(theirs) };
/// let clock = StoreClock::follow(ours.clone(), ask).await?;
/// assert_eq!(clock.now(), theirs);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StoreClock(Arc<Following>);

struct Following {
    shifted: Arc<Shifted>,
    measuring: AbortHandle,
}

struct Shifted {
    local: Box<dyn Clock>,
    /// What the store is ahead by, in milliseconds.
    offset: AtomicI64,
}

impl StoreClock {
    /// A clock that follows a store that tells its time when it is asked.
    ///
    /// # Errors
    ///
    /// The store's, if it does not tell the time at first. Later failures leave the offset as it
    /// was.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn follow<A, F, E>(local: impl Clock, ask: A) -> Result<Self, E>
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Timestamp, E>> + Send,
        E: Send,
    {
        let shifted = Arc::new(Shifted {
            local: Box::new(local),
            offset: AtomicI64::new(0),
        });
        shifted.measure(&ask).await?;
        let measured = Arc::clone(&shifted);
        let measuring = tokio::spawn(async move {
            loop {
                sleep(EVERY).await;
                // A store that is away is asked again next time.
                let _ = measured.measure(&ask).await;
            }
        });
        Ok(Self(Arc::new(Following {
            shifted,
            measuring: measuring.abort_handle(),
        })))
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        let Shifted { local, offset } = &*self.0.shifted;
        let local = local.now().as_unix_millis();
        Timestamp::from_unix_millis(local.saturating_add_signed(offset.load(Ordering::Relaxed)))
    }
}

impl fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreClock")
            .field("now", &self.now())
            .field("offset_millis", &self.0.shifted.offset)
            .finish_non_exhaustive()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.measuring.abort();
    }
}

impl Shifted {
    async fn measure<A, F, E>(&self, ask: &A) -> Result<(), E>
    where
        A: Fn() -> F,
        F: Future<Output = Result<Timestamp, E>>,
    {
        let (mut shortest, mut best) = self.sample(ask).await?;
        for _ in 1..SAMPLES {
            let (round_trip, offset) = self.sample(ask).await?;
            if round_trip < shortest {
                (shortest, best) = (round_trip, offset);
            }
        }
        self.offset.store(best, Ordering::Relaxed);
        Ok(())
    }

    async fn sample<A, F, E>(&self, ask: &A) -> Result<(Duration, i64), E>
    where
        A: Fn() -> F,
        F: Future<Output = Result<Timestamp, E>>,
    {
        let (asked, before) = (Instant::now(), self.local.now());
        let theirs = ask().await?;
        let (round_trip, after) = (asked.elapsed(), self.local.now());
        let middle = before.saturating_add(after.saturating_duration_since(before) / 2);
        // Timestamps end at 48 bits, so the difference of two fits.
        let offset = theirs.as_unix_millis() as i64 - middle.as_unix_millis() as i64;
        Ok((round_trip, offset))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::clock::ManualClock;

    const NOON: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
    const MINUTES: Duration = Duration::from_secs(120);

    fn tells(
        theirs: &ManualClock,
    ) -> impl Fn() -> std::future::Ready<Result<Timestamp, Infallible>> + use<> {
        let theirs = theirs.clone();
        move || std::future::ready(Ok(theirs.now()))
    }

    #[tokio::test]
    async fn nodes_that_are_apart_show_the_same_time() {
        let theirs = ManualClock::at(NOON);
        for ours in [
            NOON.saturating_add(MINUTES),
            NOON.saturating_sub(MINUTES),
            NOON,
        ] {
            let ours = ManualClock::at(ours);
            let clock = StoreClock::follow(ours.clone(), tells(&theirs))
                .await
                .unwrap();
            assert_eq!(clock.now(), NOON);
            ours.advance(MINUTES);
            assert_eq!(clock.now(), NOON.saturating_add(MINUTES));
        }
    }

    #[tokio::test]
    async fn the_offset_counts_from_the_middle_of_the_round_trip() {
        let ours = ManualClock::at(NOON);
        let slow = ours.clone();
        let clock = StoreClock::follow(ours.clone(), move || {
            slow.advance(Duration::from_millis(50));
            let told = slow.now();
            slow.advance(Duration::from_millis(50));
            std::future::ready(Ok::<_, Infallible>(told))
        });
        assert_eq!(clock.await.unwrap().now(), ours.now());
    }

    #[tokio::test(start_paused = true)]
    async fn the_sample_with_the_shortest_round_trip_counts() {
        let ours = ManualClock::at(NOON);
        let asked = AtomicUsize::new(0);
        let clock = StoreClock::follow(ours, move || {
            let (delay, theirs) = match asked.fetch_add(1, Ordering::Relaxed) {
                1 => (1, NOON.saturating_add(MINUTES)),
                _ => (900, NOON),
            };
            async move {
                sleep(Duration::from_millis(delay)).await;
                Ok::<_, Infallible>(theirs)
            }
        });
        assert_eq!(clock.await.unwrap().now(), NOON.saturating_add(MINUTES));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_jumps_is_followed_and_one_that_is_away_is_not_forgotten() {
        let (ours, theirs) = (ManualClock::at(NOON), ManualClock::at(NOON));
        let told = theirs.clone();
        let asked = AtomicUsize::new(0);
        let clock = StoreClock::follow(ours, move || {
            // The second measurement fails.
            let answer = match asked.fetch_add(1, Ordering::Relaxed) {
                SAMPLES => Err("away"),
                _ => Ok(told.now()),
            };
            std::future::ready(answer)
        });
        let clock = clock.await.unwrap();
        theirs.advance(MINUTES);
        sleep(EVERY + Duration::from_secs(1)).await;
        assert_eq!(clock.now(), NOON);
        sleep(EVERY).await;
        assert_eq!(clock.now(), NOON.saturating_add(MINUTES));
    }

    #[tokio::test]
    async fn measuring_ends_with_the_last_clone() {
        let theirs = ManualClock::at(NOON);
        let held = Arc::new(());
        let tells = tells(&theirs);
        let with = Arc::clone(&held);
        let clock = StoreClock::follow(ManualClock::new(), move || {
            let _with = &with;
            tells()
        });
        let clock = clock.await.unwrap();
        drop(clock.clone());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(clock);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn time_saturates_at_both_ends() {
        let theirs = ManualClock::at(Timestamp::MAX);
        let ours = ManualClock::at(Timestamp::UNIX_EPOCH);
        let clock = StoreClock::follow(ours.clone(), tells(&theirs))
            .await
            .unwrap();
        ours.set(Timestamp::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
        theirs.set(Timestamp::UNIX_EPOCH);
        let clock = StoreClock::follow(ours.clone(), tells(&theirs))
            .await
            .unwrap();
        ours.set(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
    }
}
