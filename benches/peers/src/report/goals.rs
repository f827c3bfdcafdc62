//! What is to be reached?

use crate::effort::Effort;
use crate::figures::{Figures, plain, short};

/// Something to reach.
pub(super) struct Goal {
    what: String,
    measured: Option<f64>,
    unit: &'static str,
    bound: Bound,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

use Bound::{AtLeast, AtMost, Below};

impl Goal {
    /// What it is, what was measured, what is to be reached, and whether it is.
    pub(super) fn row(self) -> Vec<String> {
        let (words, limit) = match self.bound {
            AtLeast(limit) => ("at least", limit),
            AtMost(limit) => ("at most", limit),
            Below(limit) => ("less than", limit),
        };
        let reached = self.measured.map(|measured| match self.bound {
            AtLeast(limit) => measured >= limit,
            AtMost(limit) => measured <= limit,
            Below(limit) => measured < limit,
        });
        let unit = self.unit;
        vec![
            self.what,
            self.measured.map_or("not measured".into(), |measured| {
                format!("{} {unit}", plain(measured))
            }),
            format!("{words} {} {unit}", exact(limit)),
            match reached {
                Some(true) => "yes".into(),
                Some(false) => "**no**".into(),
                None => String::new(),
            },
        ]
    }
}

/// All of them, in the order of the sections.
pub(super) fn goals(figures: &Figures, effort: Effort) -> Vec<Goal> {
    let (few, many, most) = (
        short(effort.few()),
        short(effort.many()),
        short(effort.most()),
    );
    let median = |name: &str| figures.of(name).map(|figure| figure.median);
    let ratio = |one: &str, other: &str| figures.ratio(one, other);
    let mut goals = Vec::new();
    let mut add = |what: String, measured: Option<f64>, unit: &'static str, bound: Bound| {
        goals.push(Goal {
            what,
            measured,
            unit,
            bound,
        });
    };

    let live = format!("live.{many}.ours");
    for (peer, bound) in [
        ("tower-sessions-sliding", 12.0),
        ("tower-sessions", 1.0),
        ("axum_session", 1.0),
    ] {
        let theirs = format!("live.{many}.{peer}");
        let what = format!("a live request costs more with {peer}, {many} sessions");
        add(what, ratio(&theirs, &live), "times", AtLeast(bound));
    }
    let grown = ratio(&format!("live.{most}.ours"), &format!("live.{few}.ours"));
    add(
        format!("a live request costs more with {most} sessions than with {few}"),
        grown,
        "times",
        AtMost(2.5),
    );
    add(
        "two threads answer more than one".into(),
        median("threads.gain.ours"),
        "times",
        AtLeast(1.7),
    );
    add(
        "allocations of a live request".into(),
        median("allocations.live.ours"),
        "allocations",
        AtMost(2.0),
    );
    add(
        "an anonymous request".into(),
        median(&format!("anonymous.{many}.ours")),
        "ns",
        AtMost(50.0),
    );
    add(
        "allocations of an anonymous request".into(),
        median("allocations.anonymous.ours"),
        "allocations",
        AtMost(0.0),
    );
    add(
        "an expired request, the whole 440".into(),
        median("expired.ours"),
        "ns",
        AtMost(1_500.0),
    );
    add(
        format!("heap per session, {most} sessions"),
        median(&format!("memory.{most}.ours.heap")),
        "bytes",
        AtMost(64.0),
    );
    add(
        format!("memory per session (RSS), {most} sessions"),
        median(&format!("memory.{most}.ours.rss")),
        "bytes",
        AtMost(64.0),
    );
    let stall = median("stall.ours.p99.99");
    add(
        format!("p99.99 while {many} sessions expire"),
        stall,
        "us",
        AtMost(1_000.0),
    );
    add(
        "axum on loopback".into(),
        median("loopback.ours.share"),
        "of bare",
        AtLeast(0.97),
    );
    let cached = "redis.redis-ours-cached";
    add(
        "axum with Redis behind, CachedStore".into(),
        median(&format!("{cached}.share")),
        "of bare",
        AtLeast(0.95),
    );
    let plain = ratio("redis.redis-ours", "redis.redis-tower-sessions-sliding");
    add(
        "axum with Redis behind, plain, beside tower-sessions-sliding".into(),
        plain,
        "times",
        AtLeast(2.0),
    );
    add(
        "commands to Redis per request, plain".into(),
        median("redis.redis-ours.commands"),
        "",
        // The connection's own heartbeat is counted, too.
        AtMost(1.01),
    );
    add(
        "commands to Redis per request, CachedStore".into(),
        median(&format!("{cached}.commands")),
        "",
        Below(0.05),
    );
    for (what, unit) in [("crates", "crates"), ("seconds", "s"), ("size", "kB")] {
        for peer in ["tower-sessions", "axum_session"] {
            if let Some(theirs) = median(&format!("build.{peer}.{what}")) {
                let ours = median(&format!("build.ours.{what}"));
                add(
                    format!("{what} added to a build, beside {peer}"),
                    ours,
                    unit,
                    Below(theirs),
                );
            }
        }
    }
    goals
}

/// A limit as it was set, without digits that nobody chose.
fn exact(limit: f64) -> String {
    let rounded = (limit * 100.0).round() / 100.0;
    rounded.to_string()
}
