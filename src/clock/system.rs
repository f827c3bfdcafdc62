//! The clock of the operating system.

use std::time::SystemTime;

use crate::clock::port::Clock;
use crate::session::time::Timestamp;

/// Tells the operating system's time. This is the default.
///
/// A system clock that is set before 1970 reads as 1970.
///
/// ```
/// use tower_login_timeout::{Clock, SystemClock, Timestamp};
///
/// assert!(SystemClock.now() > Timestamp::UNIX_EPOCH);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        // Rounds down: a moment that has not come yet must not be reported.
        let millis = since_epoch.as_secs().saturating_mul(1_000);
        Timestamp::from_unix_millis(millis.saturating_add(u64::from(since_epoch.subsec_millis())))
    }
}
