//! Random numbers from a seed (SplitMix64).

/// A sequence of random numbers.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    /// Creates the sequence that belongs to these circumstances.
    ///
    /// It depends on nothing that happened before. So a run with fewer steps draws the same numbers
    /// for the steps that are left, which is what makes a trace shorter without changing it.
    pub fn of(circumstances: &[u64]) -> Self {
        let seed = |seed: u64, part: &u64| mixed(seed ^ *part).rotate_left(17);
        Self(circumstances.iter().fold(0, seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// Returns a number from zero to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Returns a number from `start` to `end`, both included.
    pub fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.below(end - start + 1)
    }

    /// Returns a number from `-most` to `most`.
    pub fn around(&mut self, most: i64) -> i64 {
        let range = 2 * most.unsigned_abs() + 1;
        self.below(range) as i64 - most
    }

    /// Returns true with this chance in a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
