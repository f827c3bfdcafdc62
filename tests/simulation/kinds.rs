//! Sites of further kinds: with visitors, with sessions that have limits of their own, and with
//! tokens that another system issues.
//!
//! They are drawn from random numbers of their own. So what a seed says of everything else stays
//! the same.

use std::time::Duration;

use tower_login_timeout::{Limits, Policy};

use super::random::Random;
use super::settings::Settings;
use super::visitors::settings::VisitorSettings;

/// The kind of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteKind {
    /// Only users have a cookie, and all sessions have the limits of the policy.
    Users,
    /// Visitors who have not logged in have a cookie too.
    Visitors,
    /// Half of the sessions have limits of their own.
    OwnLimits,
    /// An id that the store does not know begins a session.
    Tokens,
}

impl SiteKind {
    pub fn of(seed: u64) -> Self {
        match (seed % 7, seed / 7 % 2) {
            (0 | 5, _) => Self::Visitors,
            (6, 0) => Self::OwnLimits,
            (6, _) => Self::Tokens,
            _ => Self::Users,
        }
    }

    /// Returns the kind that `scripts/simulate --sites` calls so.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "users" => Some(Self::Users),
            "visitors" => Some(Self::Visitors),
            "own-limits" => Some(Self::OwnLimits),
            "tokens" => Some(Self::Tokens),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users only",
            Self::Visitors => "visitors have a cookie too",
            Self::OwnLimits => "half of the sessions have limits of their own",
            Self::Tokens => "an unknown id begins a session",
        }
    }
}

/// Draws what the kind of the site adds.
pub fn draw(seed: u64, mut settings: Settings) -> Settings {
    let mut random = Random::of(&[seed, 0x6b69_6e64]);
    settings.kind = SiteKind::of(seed);
    match settings.kind {
        SiteKind::Users => {}
        SiteKind::Visitors => {
            settings.visitors = Some(VisitorSettings::draw(&mut random, &mut settings.cookies));
        }
        SiteKind::OwnLimits => settings.own_limits = Some(limits(&mut random)),
        SiteKind::Tokens => settings.policy = that_begins(&settings.policy),
    }
    settings
}

/// Draws limits that differ from those of the policy, or do not.
pub fn limits(random: &mut Random) -> Limits {
    let seconds = Duration::from_secs;
    let mut limits = Limits::default();
    let [idle, absolute] = [
        random.pick(&[None, Some(8), Some(20), Some(50), Some(400)]),
        random.pick(&[None, None, Some(120), Some(300), Some(2_000)]),
    ];
    if let Some(idle) = idle {
        limits = limits.with_idle(seconds(idle)).unwrap();
    }
    if let Some(absolute) = absolute {
        limits = limits.with_absolute(seconds(absolute)).unwrap();
    }
    limits
}

/// Returns the policy with [`Unknown::Begin`](tower_login_timeout::Unknown::Begin). It remembers
/// ended sessions for as long as any run takes, as the documentation asks.
fn that_begins(policy: &Policy) -> Policy {
    let mut builder = Policy::builder()
        .with_idle(policy.idle())
        .with_absolute(policy.absolute())
        .with_touch_every(policy.touch_every())
        .with_rotation_overlap(policy.rotation_overlap())
        .with_store_failure(policy.store_failure())
        .begin_unknown();
    if policy.is_never_early() {
        builder = builder.never_early();
    }
    builder.build().unwrap()
}
