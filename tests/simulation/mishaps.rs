//! What goes wrong in a run, drawn at random.

use super::plan::{Mishap, Step, What};
use super::random::Random;
use super::server::MOST_UNSYNCED;
use super::settings::{ClockSettings, MOST_AHEAD, Settings};
use super::trouble::{Trouble, TroubleKind};

/// Draws what goes wrong until that time. Every tenth site has no mishap at all.
///
/// Most mishaps are followed by minutes without one, since most guarantees hold without a tolerance
/// only then.
pub fn draw(random: &mut Random, settings: &Settings, last: u64, steps: &mut Vec<Step>) {
    if random.percent(10) {
        return;
    }
    let pause = random.pick(&[15_000, 60_000, 200_000]);
    let mut at = random.below(pause);
    while at < last {
        if let Some(mishap) = mishap(random, settings, at) {
            let what = What::Mishap(mishap);
            steps.push(Step { at, what });
        }
        at += random.between(pause / 10, 2 * pause);
    }
}

fn mishap(random: &mut Random, settings: &Settings, at: u64) -> Option<Mishap> {
    let node = random.below(settings.nodes.len() as u64) as usize;
    let down = random.pick(&[0, 300, 2_000, 15_000]);
    Some(match random.below(12) {
        0 => Mishap::Kill { node, down },
        1 | 2 => Mishap::Stop { node, down },
        3 => Mishap::Crash { loses: 0, down },
        4 | 5 => Mishap::Crash {
            loses: random.between(1, MOST_UNSYNCED / 2),
            down,
        },
        6 => match settings.nodes[node].clock {
            ClockSettings::FollowsStore => return None,
            ClockSettings::Own { .. } => Mishap::Step {
                node,
                ahead: random.around(MOST_AHEAD),
            },
        },
        _ => Mishap::Trouble(trouble(random, node, at)),
    })
}

fn trouble(random: &mut Random, node: usize, at: u64) -> Trouble {
    let lasts = random.pick(&[300, 1_500, 4_000, 12_000, 45_000]);
    Trouble {
        kind: match random.below(5) {
            0 | 1 => TroubleKind::CutOff,
            2 => TroubleKind::Refused,
            3 => TroubleKind::Slow {
                most: random.pick(&[200, 600, 2_000]),
            },
            _ => TroubleKind::Lossy {
                percent: random.pick(&[5, 30, 70]),
            },
        },
        node: random.percent(70).then_some(node),
        from: at,
        until: at + lasts,
    }
}

impl Mishap {
    /// Returns the trouble that it brings.
    pub fn trouble(self, at: u64) -> Option<Trouble> {
        match self {
            Self::Trouble(trouble) => Some(trouble),
            Self::Crash { down, .. } => Some(Trouble {
                kind: TroubleKind::Down,
                node: None,
                from: at,
                until: at + down + 1,
            }),
            Self::Kill { .. } | Self::Stop { .. } | Self::Step { .. } => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Trouble(trouble) => trouble.kind.name(),
            Self::Crash { loses: 0, .. } => "the store restarts",
            Self::Crash { .. } => "the store fails over, and loses the last writes",
            Self::Kill { .. } => "a node is killed",
            Self::Stop { .. } => "a node is stopped",
            Self::Step { .. } => "a clock is set",
        }
    }
}
