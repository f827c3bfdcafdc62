//! The ratios that are to be reached.

use crate::effort::Effort;
use crate::figures::{Figures, plain, short};

/// Something to reach.
pub(super) struct Goal {
    what: String,
    measured: Option<f64>,
    /// The same with `least`, where it does it.
    least: Option<f64>,
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
    /// What it is, what was measured, what is to be reached, whether it is, and what `least` reaches.
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
        let with_unit = |measured| format!("{} {unit}", plain(measured));
        vec![
            self.what,
            self.measured.map_or("not measured".into(), with_unit),
            format!("{words} {} {unit}", exact(limit)),
            match reached {
                Some(true) => "yes".into(),
                Some(false) => "**no**".into(),
                None => String::new(),
            },
            self.least.map(with_unit).unwrap_or_default(),
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
    let mut add =
        |what: String, of: &dyn Fn(&str) -> Option<f64>, unit: &'static str, bound: Bound| {
            goals.push(Goal {
                what,
                measured: of("ours"),
                least: of("least"),
                unit,
                bound,
            });
        };

    for (peer, bound) in [
        ("tower-sessions-sliding", 12.0),
        ("tower-sessions", 1.0),
        ("axum_session", 1.0),
    ] {
        let theirs = format!("live.{many}.{peer}");
        let what = format!("a live request costs more with {peer}, {many} sessions");
        let times = |id: &str| ratio(&theirs, &format!("live.{many}.{id}"));
        add(what, &times, "times", AtLeast(bound));
    }
    let grown = |id: &str| ratio(&format!("live.{most}.{id}"), &format!("live.{few}.{id}"));
    add(
        format!("a live request costs more with {most} sessions than with {few}"),
        &grown,
        "times",
        AtMost(2.5),
    );
    add(
        "two threads answer more than one".into(),
        &|id| median(&format!("threads.gain.{id}")),
        "times",
        AtLeast(1.7),
    );
    add(
        "allocations of a live request".into(),
        &|id| median(&format!("allocations.live.{id}")),
        "allocations",
        AtMost(2.0),
    );
    add(
        "an anonymous request".into(),
        &|id| median(&format!("anonymous.{many}.{id}")),
        "ns",
        AtMost(50.0),
    );
    add(
        "allocations of an anonymous request".into(),
        &|id| median(&format!("allocations.anonymous.{id}")),
        "allocations",
        AtMost(0.0),
    );
    add(
        "an expired request, the whole 440".into(),
        &|id| median(&format!("expired.{id}")),
        "ns",
        AtMost(1_500.0),
    );
    add(
        format!("heap per session, {most} sessions"),
        &|id| median(&format!("memory.{most}.{id}.heap")),
        "bytes",
        AtMost(64.0),
    );
    add(
        format!("memory per session (RSS), {most} sessions"),
        &|id| median(&format!("memory.{most}.{id}.rss")),
        "bytes",
        AtMost(64.0),
    );
    add(
        format!("p99.99 while {many} sessions expire"),
        &|id| median(&format!("stall.{id}.p99.99")),
        "us",
        AtMost(1_000.0),
    );
    add(
        "axum on loopback".into(),
        &|id| median(&format!("loopback.{id}.share")),
        "of bare",
        AtLeast(0.97),
    );
    add(
        "axum with Redis behind, CachedStore".into(),
        &|id| median(&format!("redis.redis-{id}-cached.share")),
        "of bare",
        AtLeast(0.95),
    );
    let sliding = "redis.redis-tower-sessions-sliding";
    add(
        "axum with Redis behind, plain, beside tower-sessions-sliding".into(),
        &|id| ratio(&format!("redis.redis-{id}"), sliding),
        "times",
        AtLeast(2.0),
    );
    add(
        "records asked for in Redis per request, plain".into(),
        &|id| median(&format!("redis.redis-{id}.asked")),
        "",
        // The connection's own heartbeat is counted, too.
        AtMost(1.01),
    );
    add(
        "records asked for in Redis per request, CachedStore".into(),
        &|id| median(&format!("redis.redis-{id}-cached.asked")),
        "",
        Below(0.05),
    );
    for (what, unit) in [("crates", "crates"), ("seconds", "s"), ("size", "kB")] {
        for peer in ["tower-sessions", "axum_session"] {
            if let Some(theirs) = median(&format!("build.{peer}.{what}")) {
                add(
                    format!("{what} added to a build, beside {peer}"),
                    &|id| median(&format!("build.{id}.{what}")),
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
