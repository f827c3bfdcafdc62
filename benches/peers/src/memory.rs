//! Measures the memory that a session takes.

use std::fs;

use crate::Failure;
use crate::contenders::Contender;
use crate::effort::Effort;
use crate::figures::{Figures, short};
use crate::processes::{another_self, counter, output};

/// More than any contender takes for a session.
const AT_MOST: usize = 1_500;

/// Fills each contender in a process of its own, once for what the process takes and once for what it has allocated. And counts how
/// often a request allocates, which the second kind of process can tell.
///
/// # Errors
///
/// If a process fails.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    for contender in Contender::ALL {
        if contender != Contender::Bare {
            of_sessions(figures, contender, effort.many())?;
            if contender == Contender::Ours || effort == Effort::Full {
                of_sessions(figures, contender, effort.most())?;
            }
        }
    }
    allocations(figures)
}

fn of_sessions(
    figures: &mut Figures,
    contender: Contender,
    sessions: usize,
) -> Result<(), Failure> {
    let id = contender.id();
    if contender != Contender::Ours && available()? < sessions * AT_MOST {
        figures.note(format!(
            "memory at {} sessions is not measured for {id}: less than {} GB are free.",
            short(sessions),
            sessions * AT_MOST / 1_000_000_000
        ));
        return Ok(());
    }
    let count = sessions.to_string();
    let resident = output(another_self()?.args(["rss", id, &count]))?;
    let heap = output(counter()?.args(["heap", id, &count]))?;
    let size = short(sessions);
    figures.add(
        format!("memory.{size}.{id}.rss"),
        "bytes",
        &[resident.trim().parse()?],
    );
    figures.add(
        format!("memory.{size}.{id}.heap"),
        "bytes",
        &[heap.trim().parse()?],
    );
    Ok(())
}

fn allocations(figures: &mut Figures) -> Result<(), Failure> {
    let count = |contender: Contender| -> Result<[f64; 2], Failure> {
        let printed = output(counter()?.args(["allocations", contender.id(), "10000"]))?;
        let after = |word: &str| -> Result<f64, Failure> {
            let line = printed.lines().find_map(|line| line.strip_prefix(word));
            Ok(line.ok_or("count printed something else")?.trim().parse()?)
        };
        Ok([after("live")?, after("anonymous")?])
    };
    let bare = count(Contender::Bare)?;
    for contender in Contender::ALL.into_iter().skip(1) {
        let counted = count(contender)?;
        for (what, counted, bare) in [
            ("live", counted[0], bare[0]),
            ("anonymous", counted[1], bare[1]),
        ] {
            // What happens once in some thousand requests, such as a table that grows, is no allocation of a request.
            let added = ((counted - bare) * 10.0).round() / 10.0;
            figures.add(
                format!("allocations.{what}.{}", contender.id()),
                "allocations",
                &[added],
            );
        }
    }
    Ok(())
}

/// What one more process finds out: the bytes by which it grows for each session.
///
/// # Errors
///
/// If a log-in fails, or the system does not say how large the process is.
pub fn rss(contender: Contender, sessions: usize) -> Result<(), Failure> {
    let harness = contender.harness(sessions)?;
    let before = resident()?;
    harness.log_in(sessions, &mut |_| Ok(()))?;
    let grown = resident()?.saturating_sub(before);
    println!("{:.1}", grown as f64 / sessions as f64);
    Ok(())
}

fn resident() -> Result<usize, Failure> {
    kilobytes("/proc/self/status", "VmRSS:")
}

fn available() -> Result<usize, Failure> {
    kilobytes("/proc/meminfo", "MemAvailable:")
}

/// The bytes in a line of Linux' `name: 123 kB`.
fn kilobytes(path: &str, name: &str) -> Result<usize, Failure> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: usize = kilobytes
        .ok_or("it does not say how much memory")?
        .parse()?;
    Ok(kilobytes * 1_024)
}
