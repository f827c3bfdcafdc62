//! How long to wait before the next attempt to connect.

use std::time::Duration;

use crate::store::random::jittered;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Waits that double up to five seconds.
///
/// A random part of up to a half is left out, so that many nodes do not come at once when a server
/// starts again.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) const fn new() -> Self {
        Self(FIRST)
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        jittered(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_seconds_and_differ() {
        let waits = || {
            let mut backoff = Backoff::new();
            std::array::from_fn::<_, 10, _>(|_| backoff.next())
        };
        let (one, other) = (waits(), waits());
        for (index, wait) in one.into_iter().enumerate() {
            let most = (FIRST * 2_u32.pow(index as u32)).min(LONGEST);
            assert!(wait <= most && wait * 2 >= most, "{wait:?} of {most:?}");
        }
        assert_ne!(one, other);
    }
}
