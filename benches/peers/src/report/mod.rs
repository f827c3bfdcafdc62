//! Writes RESULTS.md.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use self::goals::goals;
use crate::Failure;
use crate::charts::Chart;
use crate::effort::Effort;
use crate::figures::{Figures, plain, short};
use crate::machine;

mod goals;

const ALSO: &str = "**The peers do more.** tower-sessions and axum_session keep session *data*, hand out ids and set cookies; this crate keeps no data and \
answers one question, whether the session may still act. A contender's figure is what it takes to have a timeout by way of it. Who needs session data pays for \
that anyway. And they do less: neither has an absolute timeout beside the one of inactivity, and neither answers an expired session otherwise than an \
anonymous visitor.";

const HOW: &str = "Contenders take turns, round by round, in one run on one machine. A figure is the median, with the quartiles in brackets. Every session is logged in \
through the contender itself, and every request carries the cookie of one drawn at random, five more headers of a browser's, and something in its \
extensions, as servers hand it over. What the contenders are:

- `bare`: the service alone.
- `least`: a plain layer that does what such a timeout must do, and no more. It finds the cookie, hashes the id, reads the clock, looks the session up in a \
table behind 1250 locks, and looks for a cookie that is set. Nothing can be configured, nothing is removed, and nobody is told why. What it does not reach \
takes more than leaving things out. It is no proof of what can be reached: a better table would be faster.
- `ours`: idle and absolute timeout, exact to the millisecond, in a `MemoryStore`.
- `tower-sessions-sliding`: its `MemoryStore` with `OnInactivity` and `always_save`, and a handler that reads the session. Without the first two it does not time \
out by inactivity; without the last it does not notice that a session is over.
- `tower-sessions`: the same with `AtDateTime` and without `always_save`: an absolute timeout alone.
- `axum_session`: in memory, with its defaults, and a handler that reads the session. It begins a session for each anonymous visitor.";

/// Writes tables, ratios first.
///
/// # Errors
///
/// If the file cannot be written.
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
    let rows: Vec<_> = goals(figures, effort)
        .into_iter()
        .map(|goal| goal.row())
        .collect();
    table(
        &mut page,
        &["", "measured", "to reach", "reached", "with `least`"],
        &rows,
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

/// Every figure, by what was measured.
fn raw(page: &mut String, figures: &Figures, effort: Effort) {
    let (few, many, most) = (
        short(effort.few()),
        short(effort.many()),
        short(effort.most()),
    );
    let all = [
        "bare",
        "least",
        "ours",
        "tower-sessions-sliding",
        "tower-sessions",
        "axum_session",
    ];
    let layers = &all[1..];

    let live: Vec<_> = [&few, &many, &most]
        .map(|size| (size.to_string(), format!("live.{size}.*")))
        .into();
    section(
        page,
        figures,
        "Live request, in process, beyond the bare service, by sessions",
        layers,
        &live,
    );
    section(
        page,
        figures,
        "Other requests",
        layers,
        &[
            (
                "anonymous, beyond the bare service".into(),
                format!("anonymous.{many}.*"),
            ),
            ("expired, the whole 440".into(), "expired.*".into()),
            ("allocations, live".into(), "allocations.live.*".into()),
            (
                "allocations, anonymous".into(),
                "allocations.anonymous.*".into(),
            ),
        ],
    );
    let whole = [
        ("bare service".into(), "live.*.whole".into()),
        (
            format!("live, {many} sessions"),
            format!("live.{many}.*.whole"),
        ),
        ("bare service, anonymous".into(), "anonymous.*.whole".into()),
        ("anonymous".into(), format!("anonymous.{many}.*.whole")),
    ];
    section(
        page,
        figures,
        "The same with the bare service in it",
        &all,
        &whole,
    );
    let threads: Vec<_> = [("one thread", "1"), ("two threads", "2"), ("gain", "gain")]
        .map(|(title, name)| (title.to_owned(), format!("threads.{name}.*")))
        .into();
    section(
        page,
        figures,
        "Live requests on one thread and on two",
        &all,
        &threads,
    );
    let memory: Vec<_> = [&many, &most]
        .iter()
        .flat_map(|size| {
            ["rss", "heap"]
                .map(|what| (format!("{size}, {what}"), format!("memory.{size}.*.{what}")))
        })
        .collect();
    section(page, figures, "Memory per session", layers, &memory);
    let stall: Vec<_> = ["p50", "p99", "p99.99", "max", "left"]
        .map(|what| (what.to_owned(), format!("stall.*.{what}")))
        .into();
    let title = format!(
        "Requests of two threads while {many} sessions expire; what is left of those afterwards"
    );
    section(page, figures, &title, &all[..2], &stall);
    let loopback = served("loopback.*");
    section(
        page,
        figures,
        "axum on loopback, 64 connections kept alive",
        &all,
        &loopback,
    );
    let mut redis = served("redis.redis-*");
    redis.extend([
        ("records asked for".into(), "redis.redis-*.asked".into()),
        ("reads".into(), "redis.redis-*.reads".into()),
    ]);
    let behind = crate::redis::FIELD.map(|id| id.trim_start_matches("redis-"));
    section(page, figures, "The same with Redis behind", &behind, &redis);
    let build: Vec<_> = ["crates", "seconds", "size"]
        .map(|what| (format!("{what} added"), format!("build.*.{what}")))
        .into();
    section(
        page,
        figures,
        "Cost to the build of a small axum application",
        &["ours", "tower-sessions", "axum_session"],
        &build,
    );
}

fn served(name: &str) -> Vec<(String, String)> {
    vec![
        ("requests/s".into(), name.into()),
        ("share of bare".into(), format!("{name}.share")),
        ("p99".into(), format!("{name}.p99")),
    ]
}

/// A table with a column for each contender, and a row for each name, in which `*` stands for the contender.
fn section(
    page: &mut String,
    figures: &Figures,
    title: &str,
    contenders: &[&str],
    names: &[(String, String)],
) {
    let rows: Vec<Vec<String>> = names
        .iter()
        .map(|(title, name)| {
            let cells = contenders
                .iter()
                .map(|id| cell(figures, &name.replace('*', id)));
            std::iter::once(title.clone()).chain(cells).collect()
        })
        .filter(|row: &Vec<String>| row.iter().skip(1).any(|cell| !cell.is_empty()))
        .collect();
    if rows.is_empty() {
        return;
    }
    let header: Vec<&str> = std::iter::once("")
        .chain(contenders.iter().copied())
        .collect();
    page.push_str("\n## ");
    page.push_str(title);
    page.push_str("\n\n");
    table(page, &header, &rows);
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
    let mut line = |cells: Vec<&str>| {
        page.push_str("| ");
        page.push_str(&cells.join(" | "));
        page.push_str(" |\n");
    };
    line(header.to_vec());
    line(vec!["---"; header.len()]);
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}
