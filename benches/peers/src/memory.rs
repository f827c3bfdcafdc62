//! The memory of a session, and the allocations of a request.

use crate::contenders::Contender;
use crate::effort::Effort;
use crate::figures::{Figures, short};
use crate::processes::{another_self, counter, output};
use crate::{Failure, machine};

/// A number of bytes that is more than any contender takes for a session.
const AT_MOST: usize = 1_500;

/// Measures the memory of each contender twice, each time in a process of its own: by the size of
/// the process (RSS), and by what is allocated (heap). Then it counts the allocations of a request.
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
    let size = short(sessions);
    for (what, mut program) in [("rss", another_self()?), ("heap", counter()?)] {
        let bytes = output(program.args([what, id, &count]))?.trim().parse()?;
        figures.add(format!("memory.{size}.{id}.{what}"), "bytes", &[bytes]);
    }
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
            // A table that grows allocates once in some thousand requests. Rounding removes that.
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

/// Prints the bytes by which this process grows for each session. `measure` runs it in a process of
/// its own.
pub fn rss(contender: Contender, sessions: usize) -> Result<(), Failure> {
    let harness = contender.harness(sessions)?;
    let before = resident()?;
    harness.log_in(sessions, &mut |_| Ok(()))?;
    let grown = resident()?.saturating_sub(before);
    println!("{:.1}", grown as f64 / sessions as f64);
    Ok(())
}

fn resident() -> Result<usize, Failure> {
    bytes("/proc/self/status", "VmRSS")
}

fn available() -> Result<usize, Failure> {
    bytes("/proc/meminfo", "MemAvailable")
}

/// Returns the bytes in a line such as `VmRSS: 123 kB`.
fn bytes(path: &str, name: &str) -> Result<usize, Failure> {
    let line = machine::line_of(path, name).ok_or_else(|| format!("{path} has no {name}"))?;
    let kilobytes: usize = line.trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1_024)
}
