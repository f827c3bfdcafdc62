//! The program that measures everything, and writes the report and the charts.
//!
//! Usage: `peers [--quick] [--only memory,redis]`. With `--only`, it prints the figures and writes
//! nothing. It starts its own processes with the other commands.

use std::env;
use std::path::Path;

use peers::contenders::Contender;
use peers::effort::Effort;
use peers::figures::Figures;
use peers::{
    Failure, build_cost, charts, in_axum, in_process, loopback, machine, memory, pace, redis,
    report, stall,
};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// A function that measures one thing, and adds its figures.
type Measurement = fn(&mut Figures, Effort) -> Result<(), Failure>;

const MEASUREMENTS: [(&str, Measurement); 8] = [
    ("in_process", in_process::measure),
    ("in_axum", in_axum::measure),
    ("memory", memory::measure),
    ("stall", stall::measure),
    ("loopback", loopback::measure),
    ("redis", redis::measure),
    ("pace", pace::measure),
    ("build_cost", build_cost::measure),
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => everything(Effort::Full),
        ["--quick"] => everything(Effort::Quick),
        ["--only", names] => only(names, Effort::Full),
        ["--quick", "--only", names] => only(names, Effort::Quick),
        ["rss", id, sessions] => memory::rss(Contender::of(id)?, sessions.parse()?),
        ["stall", id, sessions] => stall::one(Contender::of(id)?, sessions.parse()?),
        ["serve", id, sessions, file, url] => {
            let sessions = sessions.parse()?;
            let app = async {
                match url {
                    "" => Contender::of(id)?.app(sessions).await,
                    _ => redis::app(id, url).await,
                }
            };
            loopback::serve(app, sessions, Path::new(file))
        }
        _ => Err("usage: peers [--quick] [--only measurement,measurement]".into()),
    }
}

fn everything(effort: Effort) -> Result<(), Failure> {
    let mut figures = Figures::default();
    if let Some(busy) = machine::busy().filter(|busy| *busy > 0.1) {
        figures.note(format!(
            "the machine was busy with something else when this run began, for {:.0}% of its time: \
             do not trust the times.",
            busy * 100.0
        ));
    }
    for (name, measure) in MEASUREMENTS {
        eprintln!("== {name}");
        measure(&mut figures, effort)?;
    }
    let folder = Path::new(FOLDER);
    let charts = charts::draw(&figures, effort, &folder.join("charts"))?;
    report::write(&figures, effort, &charts, &folder.join("RESULTS.md"))
}

fn only(names: &str, effort: Effort) -> Result<(), Failure> {
    let mut figures = Figures::default();
    for wanted in names.split(',') {
        let found = MEASUREMENTS.iter().find(|(name, _)| *name == wanted);
        let (_, measure) = found.ok_or_else(|| format!("there is no measurement {wanted:?}"))?;
        measure(&mut figures, effort)?;
    }
    Ok(())
}
