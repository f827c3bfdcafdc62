//! The effort of a run: full or quick.

use crate::figures::short;

/// A full run, or a quick one that shows that everything works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    Quick,
    Full,
}

impl Effort {
    /// Returns one of two amounts.
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }

    /// The number of sessions of a small application.
    pub fn few(self) -> usize {
        1_000
    }

    /// The number of sessions in most of the figures.
    pub fn many(self) -> usize {
        self.pick(100_000, 1_000_000)
    }

    /// The largest number of sessions. Not every contender is measured with it.
    pub fn most(self) -> usize {
        self.pick(1_000_000, 10_000_000)
    }

    /// The three numbers as they stand in the names of figures, such as `1k`.
    pub fn sizes(self) -> [String; 3] {
        [self.few(), self.many(), self.most()].map(short)
    }
}
