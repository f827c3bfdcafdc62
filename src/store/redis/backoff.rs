//! The pauses between attempts to connect.

use std::time::Duration;

use redis::{ErrorKind, RedisError};

use super::error::is_about_credentials;
use crate::store::random::jittered;

/// How pauses grow after one kind of failure: the first, the longest, and by which factor.
struct Growth {
    first: Duration,
    longest: Duration,
    factor: f64,
}

/// For a server that is down. An attempt costs it nothing, so the pauses begin short and grow
/// slowly: the store is usually back within a quarter of the outage.
const DOWN: Growth = Growth {
    first: Duration::from_millis(2),
    longest: Duration::from_secs(3),
    factor: 1.25,
};

/// For a server that accepts the connection and then refuses to serve it, as while it loads its
/// data.
const REFUSING: Growth = Growth {
    first: Duration::from_millis(50),
    longest: Duration::from_secs(3),
    factor: 1.5,
};

/// For refused credentials. Until somebody corrects them, each attempt fails and costs the server a
/// connection.
const CREDENTIALS: Growth = Growth {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
    factor: 2.0,
};

/// The last pause. Each further failure makes it longer.
#[derive(Default)]
pub(super) struct Backoff(Duration);

impl Backoff {
    /// Returns how long to wait after this failure.
    ///
    /// A random half of it is left out, so that the nodes of an application do not all connect at
    /// the same moment.
    pub(super) fn pause_after(&mut self, error: &RedisError) -> Duration {
        let growth = growth_after(error);
        let longer = self.0.min(growth.longest).mul_f64(growth.factor);
        self.0 = longer.clamp(growth.first, growth.longest);
        jittered(self.0)
    }
}

fn growth_after(error: &RedisError) -> Growth {
    if is_about_credentials(error) {
        return CREDENTIALS;
    }
    match error.kind() {
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => DOWN,
        _ => REFUSING,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn pauses(error: &RedisError, within: Duration) -> Vec<Duration> {
        let mut backoff = Backoff::default();
        let mut total = Duration::ZERO;
        let mut pauses = Vec::new();
        while total < within {
            let pause = backoff.pause_after(error);
            total += pause;
            pauses.push(pause);
        }
        pauses
    }

    #[test]
    fn pauses_grow_up_to_seconds() {
        let down = io::Error::from(io::ErrorKind::ConnectionRefused).into();
        let wrong = RedisError::from((ErrorKind::AuthenticationFailed, "wrong password"));
        let other = RedisError::from((ErrorKind::Client, "loading"));
        for (error, first, longest, most) in [
            (&down, 2, 3_000, 60),
            (&other, 50, 3_000, 25),
            (&wrong, 1_000, 30_000, 7),
        ] {
            let pauses = pauses(error, Duration::from_secs(10));
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
            assert!(pauses[0] >= first / 2 && pauses[0] <= first, "{pauses:?}");
            assert!(pauses.iter().all(|pause| *pause <= longest), "{pauses:?}");
            assert!(
                pauses.len() <= most,
                "{} attempts: {pauses:?}",
                pauses.len()
            );
        }
    }

    #[test]
    fn a_pause_is_at_most_a_quarter_of_the_outage_and_a_little() {
        let down = io::Error::from(io::ErrorKind::ConnectionRefused).into();
        let mut outage = Duration::ZERO;
        let mut longest = Backoff::default();
        for _ in 0..20 {
            longest.pause_after(&down);
            let most = outage / 4 + DOWN.first + Duration::from_micros(1);
            assert!(longest.0 <= most, "{:?} after {outage:?}", longest.0);
            outage += longest.0;
        }
    }
}
