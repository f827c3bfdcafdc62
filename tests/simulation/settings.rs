//! What a site is like: its nodes, its policy, its store, its network.

use std::time::Duration;

use tower_login_timeout::{Limits, Policy, StoreFailure};

use super::kinds::SiteKind;
use super::random::Random;
use super::visitors::settings::VisitorSettings;

/// How far a clock is off at most. So two clocks differ by a minute at most.
pub const MOST_AHEAD: i64 = 29_900;

/// What a site is like. Times are in milliseconds.
#[derive(Clone, Debug)]
pub struct Settings {
    pub policy: Policy,
    pub nodes: Vec<NodeSettings>,
    pub near: NearSettings,
    pub store: StoreSettings,
    /// The longest time that a message takes while the network is well.
    pub latency: u64,
    /// How many requests of a user, in a hundred, go to the same node.
    pub sticky: u64,
    pub cookies: Cookies,
    pub kind: SiteKind,
    pub visitors: Option<VisitorSettings>,
    /// The limits that half of the sessions have.
    pub own_limits: Option<Limits>,
}

#[derive(Clone, Debug)]
pub struct NodeSettings {
    pub cache: Cache,
    pub clock: ClockSettings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    None,
    Near,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSettings {
    FollowsStore,
    /// The node's own clock is so far ahead at first, and gains so many millionths.
    Own {
        ahead: i64,
        drift: i64,
    },
}

/// The settings of the near caches.
#[derive(Clone, Debug)]
pub struct NearSettings {
    pub max_staleness: u64,
    pub max_stale_on_error: u64,
    pub flush_every: u64,
}

#[derive(Clone, Debug)]
pub struct StoreSettings {
    pub log: LogKind,
    /// When its client gives up on an answer.
    pub deadline: Option<u64>,
}

/// How the store keeps its log of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// A stream with a length limit, written in the same step as the record.
    Stream { length: usize },
    /// The same, written in a second step.
    SecondStep { length: usize },
    /// What changed in the last seconds by the database's clock.
    ByTime,
}

/// How the application sets its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookies {
    /// At log-in, and when it changes the id.
    Plain,
    /// With every response.
    Rolling,
    /// With every response, and limits that are those of the policy.
    RollingWithLimits,
    /// As `Plain`. The new id follows from the old one, so requests at once are given the same.
    Derived,
}

impl Settings {
    pub fn draw(random: &mut Random) -> Self {
        let policy = policy(random);
        let all_near = random.percent(60);
        let some_near = random.percent(60);
        let clocks = random.below(4);
        let node = |random: &mut Random| NodeSettings {
            cache: if all_near || (some_near && random.percent(50)) {
                Cache::Near
            } else {
                Cache::None
            },
            clock: match clocks {
                0 | 1 => ClockSettings::FollowsStore,
                2 => ClockSettings::Own {
                    ahead: random.around(100),
                    drift: random.around(50),
                },
                _ => ClockSettings::Own {
                    ahead: random.around(MOST_AHEAD),
                    drift: random.around(200),
                },
            },
        };
        let length = random.pick(&[4, 64, 4_096]);
        Self {
            policy,
            nodes: (0..random.between(1, 4)).map(|_| node(random)).collect(),
            near: NearSettings {
                max_staleness: random.pick(&[5_000, 5_000, 2_000]),
                max_stale_on_error: random.pick(&[30_000, 30_000, 10_000]),
                flush_every: random.pick(&[1_000, 1_000, 3_000]),
            },
            store: StoreSettings {
                log: match random.below(3) {
                    0 => LogKind::Stream { length },
                    1 => LogKind::SecondStep { length },
                    _ => LogKind::ByTime,
                },
                deadline: random.pick(&[None, Some(500), Some(500)]),
            },
            latency: random.pick(&[1, 5, 40]),
            sticky: random.pick(&[0, 80, 100]),
            cookies: random.pick(&[
                Cookies::Plain,
                Cookies::Plain,
                Cookies::Rolling,
                Cookies::RollingWithLimits,
                Cookies::Derived,
            ]),
            kind: SiteKind::Users,
            visitors: None,
            own_limits: None,
        }
    }
}

fn policy(random: &mut Random) -> Policy {
    let seconds = Duration::from_secs;
    let mut builder = Policy::builder()
        .with_idle(seconds(random.pick(&[40, 60, 100, 180])))
        .with_absolute(seconds(random.pick(&[240, 500, 900])))
        .with_touch_every(seconds(random.pick(&[0, 0, 5, 30])))
        .with_rotation_overlap(seconds(random.pick(&[30, 30, 5, 0])))
        .with_remember_expired_for(seconds(random.pick(&[24 * 3600, 300])));
    if random.percent(25) {
        builder = builder.never_early();
    }
    if random.percent(15) {
        builder = builder.with_store_failure(StoreFailure::Allow);
    }
    builder.build().unwrap()
}
