//! Troubles: when and where the network or the store does not work.

use super::random::Random;

/// A time in which messages between some node and the store are in danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub kind: TroubleKind,
    /// The node, or nothing for all of them.
    pub node: Option<usize>,
    pub from: u64,
    pub until: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// Messages vanish.
    CutOff,
    /// The connection is refused.
    Refused,
    /// A message takes up to so much longer.
    Slow { most: u64 },
    /// So many messages in a hundred vanish.
    Lossy { percent: u64 },
    /// The store is down. Some see their connection closed, others hear nothing.
    Down,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives after so many milliseconds.
    Arrives(u64),
    Vanishes,
    /// The sender learns at once that it does not arrive.
    Refused,
}

/// How long after its end a trouble is felt: a message that it slowed down may still be on its way.
const AFTER_EFFECT: u64 = 3_000;

/// All troubles of a run.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Vec<Trouble>);

impl Troubles {
    pub fn new(troubles: Vec<Trouble>) -> Self {
        Self(troubles)
    }

    /// Returns whether nothing was wrong between this node and the store in this time.
    pub fn is_calm(&self, node: usize, from: u64, until: u64) -> bool {
        !self.0.iter().any(|trouble| {
            trouble.is_at(node) && trouble.from <= until && from <= trouble.until + AFTER_EFFECT
        })
    }

    /// Returns whether the store is down.
    pub fn is_down(&self, now: u64) -> bool {
        self.0.iter().any(|trouble| {
            trouble.kind == TroubleKind::Down && trouble.from <= now && now < trouble.until
        })
    }

    /// Returns what becomes of a message that is sent now, between this node and the store.
    pub fn fate(&self, node: usize, now: u64, latency: u64, random: &mut Random) -> Fate {
        let mut takes = random.below(latency + 1);
        for trouble in &self.0 {
            if !trouble.is_at(node) || now < trouble.from || now >= trouble.until {
                continue;
            }
            match trouble.kind {
                TroubleKind::CutOff => return Fate::Vanishes,
                TroubleKind::Refused => return Fate::Refused,
                TroubleKind::Down if random.percent(70) => return Fate::Refused,
                TroubleKind::Down => return Fate::Vanishes,
                TroubleKind::Lossy { percent } if random.percent(percent) => {
                    return Fate::Vanishes;
                }
                TroubleKind::Lossy { .. } => {}
                TroubleKind::Slow { most } => takes += random.below(most),
            }
        }
        Fate::Arrives(takes)
    }
}

impl Trouble {
    fn is_at(&self, node: usize) -> bool {
        self.node.is_none_or(|at| at == node)
    }
}

impl TroubleKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::CutOff => "a node is cut off",
            Self::Refused => "connections are refused",
            Self::Slow { .. } => "messages are late",
            Self::Lossy { .. } => "messages are lost",
            Self::Down => "the store is down",
        }
    }
}
