//! Random times, so that many nodes do not act at the same moment.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Returns a random number. It is good enough to spread load, and no secret.
pub(crate) fn random() -> u64 {
    // Each `RandomState` has other keys, so its hash of nothing is a random number.
    RandomState::new().build_hasher().finish()
}

/// Returns a random time from the upper half of the range up to `longest`.
pub(crate) fn jittered(longest: Duration) -> Duration {
    let fraction = random() as f64 / u64::MAX as f64;
    longest.mul_f64(0.5 + 0.5 * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spread_over_the_upper_half() {
        let longest = Duration::from_secs(1);
        let times: Vec<_> = (0..200).map(|_| jittered(longest)).collect();
        for quarter in 0..4 {
            let from = longest / 2 + longest / 8 * quarter;
            let range = from..=from + longest / 8;
            assert!(times.iter().any(|time| range.contains(time)), "{times:?}");
        }
        let upper_half = longest / 2..=longest;
        assert!(times.iter().all(|time| upper_half.contains(time)));
    }
}
