//! The goals, and whether they are reached.

use Bound::{AtLeast, AtMost, Below};

use crate::effort::Effort;
use crate::figures::{Figures, plain};
use crate::pace::PACES;

enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

/// Returns a row for each goal: its words, the measured figure, the limit, whether it is reached,
/// and the same figure of `least`.
pub(super) fn goals(figures: &Figures, effort: Effort) -> Vec<Vec<String>> {
    let [few, many, most] = effort.sizes();
    let mut rows = Vec::new();
    // `*` in a figure's name stands for `ours` or `least`. `one / other` is a ratio.
    let mut add = |what: &str, name: &str, unit: &str, bound: Bound| {
        let of = |id: &str| {
            let name = name.replace('*', id);
            match name.split_once(" / ") {
                Some((one, other)) => figures.ratio(one, other),
                None => figures.median(&name),
            }
        };
        rows.push(row(what, of("ours"), of("least"), unit, bound));
    };

    for (peer, limit) in [
        ("tower-sessions-sliding", 12.0),
        ("tower-sessions", 1.0),
        ("axum_session", 1.0),
    ] {
        add(
            &format!("a live request costs more with {peer}, {many} sessions"),
            &format!("live.{many}.{peer} / live.{many}.*"),
            "times",
            AtLeast(limit),
        );
    }
    add(
        &format!("a live request costs more with {most} sessions than with {few}"),
        &format!("live.{most}.* / live.{few}.*"),
        "times",
        AtMost(2.5),
    );
    add(
        &format!("a live request takes as long as what none can do without, {many} sessions"),
        &format!("live.{many}.* / live.{many}.floor"),
        "times",
        AtMost(1.6),
    );
    add(
        "two threads answer more than one",
        "threads.gain.*",
        "times",
        AtLeast(1.7),
    );
    add(
        "allocations of a live request",
        "allocations.live.*",
        "allocations",
        AtMost(2.0),
    );
    add(
        "a live request through an axum `Router`, beyond a layer that does nothing",
        "axum.*",
        "ns",
        AtMost(300.0),
    );
    add(
        "allocations of it",
        "axum.*.allocations.beyond",
        "allocations",
        AtMost(2.0),
    );
    add(
        "two threads answer more than one, through an axum `Router`",
        "axum.threads.gain.*",
        "times",
        AtLeast(1.7),
    );
    add(
        "an anonymous request",
        &format!("anonymous.{many}.*"),
        "ns",
        AtMost(50.0),
    );
    add(
        "allocations of an anonymous request",
        "allocations.anonymous.*",
        "allocations",
        AtMost(0.0),
    );
    add(
        "an expired request, the whole 440",
        "expired.*",
        "ns",
        AtMost(1_500.0),
    );
    add(
        &format!("heap per session, {most} sessions"),
        &format!("memory.{most}.*.heap"),
        "bytes",
        AtMost(64.0),
    );
    add(
        &format!("memory per session (RSS), {most} sessions"),
        &format!("memory.{most}.*.rss"),
        "bytes",
        AtMost(64.0),
    );
    add(
        &format!("p99.99 while {many} sessions expire"),
        "stall.*.p99.99",
        "us",
        AtMost(1_000.0),
    );
    add(
        "axum on loopback",
        "loopback.*.share",
        "of bare",
        AtLeast(0.97),
    );
    add(
        "axum with Redis behind, CachedStore",
        "redis.*-cached.share",
        "of bare",
        AtLeast(0.95),
    );
    add(
        "axum with Redis behind, plain, beside tower-sessions-sliding",
        "redis.* / redis.tower-sessions-sliding",
        "times",
        AtLeast(2.0),
    );
    add(
        "records asked for in Redis per request, plain",
        "redis.*.asked",
        "",
        // The heartbeat of the connection counts as well.
        AtMost(1.01),
    );
    add(
        "records asked for in Redis per request, CachedStore",
        "redis.*-cached.asked",
        "",
        Below(0.05),
    );
    for pace in PACES {
        add(
            &format!("store operations of a request, CachedStore, {}", pace.words),
            &pace.figure().replace('*', "*-cached"),
            "",
            AtMost(pace.most),
        );
    }
    for (what, unit) in [("crates", "crates"), ("seconds", "s"), ("size", "kB")] {
        for peer in ["tower-sessions", "axum_session"] {
            if let Some(theirs) = figures.median(&format!("build.{peer}.{what}")) {
                add(
                    &format!("{what} added to a build, beside {peer}"),
                    &format!("build.*.{what}"),
                    unit,
                    Below(theirs),
                );
            }
        }
    }
    rows
}

fn row(
    what: &str,
    measured: Option<f64>,
    least: Option<f64>,
    unit: &str,
    bound: Bound,
) -> Vec<String> {
    let (words, limit) = match bound {
        AtLeast(limit) => ("at least", limit),
        AtMost(limit) => ("at most", limit),
        Below(limit) => ("less than", limit),
    };
    let reached = measured.map_or("", |measured| {
        let reached = match bound {
            AtLeast(limit) => measured >= limit,
            AtMost(limit) => measured <= limit,
            Below(limit) => measured < limit,
        };
        if reached { "yes" } else { "**no**" }
    });
    let with_unit = |measured| format!("{} {unit}", plain(measured));
    // Two digits, as the limits above have them.
    let limit = (limit * 100.0).round() / 100.0;
    vec![
        what.into(),
        measured.map_or("not measured".into(), with_unit),
        format!("{words} {limit} {unit}"),
        reached.into(),
        least.map(with_unit).unwrap_or_default(),
    ]
}
