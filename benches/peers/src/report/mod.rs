//! The page `RESULTS.md`.

use std::fmt::Write;
use std::path::Path;
use std::{fs, iter};

use self::goals::goals;
use crate::charts::Chart;
use crate::contenders::Contender;
use crate::effort::Effort;
use crate::figures::{Figures, plain};
use crate::in_axum::Application;
use crate::pace::PACES;
use crate::{Failure, machine, redis};

mod goals;

const ALSO: &str = "**The peers do more.** tower-sessions and axum_session keep session *data*, \
hand out ids and set cookies; this crate keeps no data and answers one question, whether the \
session may still act. A contender's figure is what it takes to have a timeout by way of it. Who \
needs session data pays for that anyway. And they do less: neither has an absolute timeout beside \
the one of inactivity, and neither answers an expired session otherwise than an anonymous \
visitor.";

const HOW: &str = "Contenders take turns, round by round, in one run on one machine. A figure is \
the median, with the quartiles in brackets. Every session is logged in through the contender \
itself, and every request carries the cookie of one drawn at random, five more headers of a \
browser's, and something in its extensions, as servers hand it over. What the contenders are:

- `bare`: the service alone.
- `least`: a plain layer that does what such a timeout must do, and no more. It finds the cookie, \
hashes the id, reads the clock, looks the session up in a table behind 1250 locks, and looks for \
a cookie that is set. Nothing can be configured, nothing is removed, and nobody is told why. What \
it does not reach takes more than leaving things out. It is no proof of what can be reached: a \
better table would be faster.
- `ours`: idle and absolute timeout, exact to the millisecond, in a `MemoryStore`.
- `tower-sessions-sliding`: its `MemoryStore` with `OnInactivity` and `always_save`, and a \
handler that reads the session. Without the first two it does not time out by inactivity; without \
the last it does not notice that a session is over.
- `tower-sessions`: the same with `AtDateTime` and without `always_save`: an absolute timeout alone.
- `axum_session`: in memory, with its defaults, and a handler that reads the session. It begins a \
session for each anonymous visitor.";

/// Writes the page: the ratios first, then every figure.
pub fn write(
    figures: &Figures,
    effort: Effort,
    charts: &[Chart],
    path: &Path,
) -> Result<(), Failure> {
    let mut page = String::from("# What the layer costs, beside its peers\n\n");
    page += "Written by `scripts/bench-peers`, which measures all of it anew.\n\n";
    if effort == Effort::Quick {
        page += "**From a quick run, which only shows that everything works.**\n\n";
    }
    for line in machine::described() {
        writeln!(page, "- {line}")?;
    }
    writeln!(page, "\n{ALSO}\n\n## Ratios\n")?;
    table(
        &mut page,
        &["", "measured", "to reach", "reached", "with `least`"],
        &goals(figures, effort),
    );
    writeln!(page, "\n## How\n\n{HOW}\n")?;
    for note in figures.notes() {
        writeln!(page, "- {note}")?;
    }
    raw(&mut page, figures, effort);
    page += "\n## Charts\n\n";
    for Chart { file, title } in charts {
        writeln!(page, "![{title}](charts/{file})\n")?;
    }
    fs::write(path, page.trim_end().to_owned() + "\n")?;
    Ok(())
}

/// Appends a section for each measurement.
fn raw(page: &mut String, figures: &Figures, effort: Effort) {
    let [few, many, most] = &effort.sizes();
    let all = Contender::ALL.map(Contender::id);
    let layers = &all[1..];
    let mut add = |title: &str, contenders: &[&str], rows: &[(&str, &str)]| {
        section(page, figures, title, contenders, rows);
    };
    add(
        "Live request, in process, beyond the bare service, by sessions",
        layers,
        &[
            (few, &format!("live.{few}.*")),
            (many, &format!("live.{many}.*")),
            (most, &format!("live.{most}.*")),
        ],
    );
    add(
        "What none can do without: to hash the id, to read the clock, and to read one line of memory",
        &["floor"],
        &[(many, &format!("live.{many}.*"))],
    );
    add(
        "Other requests",
        layers,
        &[
            (
                "anonymous, beyond the bare service",
                &format!("anonymous.{many}.*"),
            ),
            ("expired, the whole 440", "expired.*"),
            ("allocations, live", "allocations.live.*"),
            ("allocations, anonymous", "allocations.anonymous.*"),
        ],
    );
    add(
        "The same with the bare service in it",
        &all,
        &[
            ("bare service", "live.*.whole"),
            (
                &format!("live, {many} sessions"),
                &format!("live.{many}.*.whole"),
            ),
            ("bare service, anonymous", "anonymous.*.whole"),
            ("anonymous", &format!("anonymous.{many}.*.whole")),
        ],
    );
    add(
        "Live requests on one thread and on two",
        &all,
        &[
            ("one thread", "threads.1.*"),
            ("two threads", "threads.2.*"),
            ("gain", "threads.gain.*"),
        ],
    );
    add(
        "Live requests through an axum `Router`, as `axum::serve` has it for a connection",
        &Application::ALL.map(Application::id),
        &[
            ("time", "axum.*.whole"),
            ("allocations", "axum.*.allocations"),
            ("gain of two threads", "axum.threads.gain.*"),
        ],
    );
    add(
        "Memory per session",
        layers,
        &[
            (&format!("{many}, rss"), &format!("memory.{many}.*.rss")),
            (&format!("{many}, heap"), &format!("memory.{many}.*.heap")),
            (&format!("{most}, rss"), &format!("memory.{most}.*.rss")),
            (&format!("{most}, heap"), &format!("memory.{most}.*.heap")),
        ],
    );
    add(
        &format!(
            "Requests of two threads while {many} sessions expire; what is left of those afterwards"
        ),
        &["bare", "ours"],
        &[
            ("p50", "stall.*.p50"),
            ("p99", "stall.*.p99"),
            ("p99.99", "stall.*.p99.99"),
            ("max", "stall.*.max"),
            ("left", "stall.*.left"),
        ],
    );
    add(
        "axum on loopback, 64 connections kept alive",
        &all,
        &[
            ("requests/s", "loopback.*"),
            ("share of bare", "loopback.*.share"),
            ("p99", "loopback.*.p99"),
        ],
    );
    add(
        "The same with Redis behind",
        &redis::CONTENDERS,
        &[
            ("requests/s", "redis.*"),
            ("share of bare", "redis.*.share"),
            ("p99", "redis.*.p99"),
            ("records asked for", "redis.*.asked"),
            ("reads", "redis.*.reads"),
        ],
    );
    let figures_of_paces = PACES.map(|pace| (pace.words, pace.figure()));
    add(
        "Store operations of a request at the pace of people, in virtual time; 1 without a near cache",
        &["ours-cached"],
        &figures_of_paces
            .each_ref()
            .map(|(words, figure)| (*words, &**figure)),
    );
    add(
        "Cost to the build of a small axum application",
        &["ours", "tower-sessions", "axum_session"],
        &[
            ("crates added", "build.*.crates"),
            ("seconds added", "build.*.seconds"),
            ("size added", "build.*.size"),
        ],
    );
}

/// Appends a table with a column for each contender, and a row for each figure that was measured.
///
/// A row has its title and the name of its figures, in which `*` stands for the contender.
fn section(
    page: &mut String,
    figures: &Figures,
    title: &str,
    contenders: &[&str],
    rows: &[(&str, &str)],
) {
    let mut measured = Vec::new();
    for (title, name) in rows {
        let cells = contenders
            .iter()
            .map(|id| cell(figures, &name.replace('*', id)));
        let row: Vec<_> = iter::once(title.to_string()).chain(cells).collect();
        if row[1..].iter().any(|cell| !cell.is_empty()) {
            measured.push(row);
        }
    }
    if !measured.is_empty() {
        *page += &format!("\n## {title}\n\n");
        table(page, &[&[""], contenders].concat(), &measured);
    }
}

fn cell(figures: &Figures, name: &str) -> String {
    let Some(figure) = figures.of(name) else {
        return String::new();
    };
    let (median, low, high) = (plain(figure.median), plain(figure.low), plain(figure.high));
    if low == high {
        format!("{median} {}", figure.unit)
    } else {
        format!("{median} {} ({low} to {high})", figure.unit)
    }
}

fn table(page: &mut String, header: &[&str], rows: &[Vec<String>]) {
    *page += &format!("| {} |\n", header.join(" | "));
    *page += &format!("| {} |\n", vec!["---"; header.len()].join(" | "));
    for row in rows {
        *page += &format!("| {} |\n", row.join(" | "));
    }
}
