//! The clock that the layer asks.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::sleep::Sleep;
use crate::session::time::Timestamp;

/// Tells the time.
///
/// The layer asks the clock when a request arrives, and again when its response is ready if the
/// service had to wait. Nothing else in this crate asks for the time of day, so a test that holds a
/// [`ManualClock`](crate::ManualClock) decides when sessions expire.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{Clock, ManualClock, Timestamp};
///
/// /// A clock that is ahead of another one.
/// struct Ahead<C>(C, Duration);
///
/// impl<C: Clock> Clock for Ahead<C> {
///     fn now(&self) -> Timestamp {
///         self.0.now().saturating_add(self.1)
///     }
/// }
///
/// let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
/// let ahead = Ahead(clock, Duration::from_millis(5));
/// assert_eq!(ahead.now(), Timestamp::from_unix_millis(5));
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the time now.
    fn now(&self) -> Timestamp;

    /// Returns a future that completes when this time has passed on the clock.
    ///
    /// The default goes by Tokio's timer, since a clock runs as fast as a timer. A clock that is
    /// moved by hand completes it when it is moved. What waits looks at the clock again afterwards,
    /// so the future may complete early or late.
    fn sleep(&self, time: Duration) -> Sleep {
        Sleep::timer(time)
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        (**self).sleep(time)
    }
}
