//! How many rounds are measured, and how long each takes.

/// A full run, or a quick one that shows that everything works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    Quick,
    Full,
}

impl Effort {
    /// One of two amounts.
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }

    /// How many sessions an application with some users has.
    pub fn few(self) -> usize {
        1_000
    }

    /// How many sessions the main figures are measured with.
    pub fn many(self) -> usize {
        self.pick(100_000, 1_000_000)
    }

    /// How many sessions only this crate is measured with.
    pub fn most(self) -> usize {
        self.pick(1_000_000, 10_000_000)
    }
}
