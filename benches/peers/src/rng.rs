//! A fast generator of random numbers.

/// A generator (xorshift64*) that gives the same numbers in every run.
#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    /// Makes a generator. Each seed gives other numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns a number below `limit`, or 0 if `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
        let below = (u128::from(drawn) * limit as u128) >> 64;
        usize::try_from(below).unwrap_or(0)
    }
}
