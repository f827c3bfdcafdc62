//! The future that waits for a clock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The longest wait. A longer one is cut, and who waits looks at the clock and waits again.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The future of [`Clock::sleep`](crate::Clock::sleep).
#[must_use = "futures do nothing unless polled"]
pub struct Sleep(Kind);

enum Kind {
    /// The timer is not armed before the first poll, which happens in a runtime.
    Timer(Instant),
    Waiting(Pin<Box<dyn Future<Output = ()> + Send + Sync>>),
}

impl Sleep {
    /// Waits on Tokio's timer. Polling it needs a Tokio runtime with its timer enabled.
    pub fn timer(time: Duration) -> Self {
        let now = Instant::now();
        // A timer this short is always in range.
        Self(Kind::Timer(
            now.checked_add(time.min(LONGEST)).unwrap_or(now),
        ))
    }

    /// Waits for this future, for a clock that is not the operating system's.
    pub fn of(future: impl Future<Output = ()> + Send + Sync + 'static) -> Self {
        Self(Kind::Waiting(Box::pin(future)))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.0 {
                Kind::Timer(deadline) => {
                    let timer = Box::pin(sleep_until(*deadline));
                    self.0 = Kind::Waiting(timer);
                }
                Kind::Waiting(future) => return future.as_mut().poll(cx),
            }
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}
