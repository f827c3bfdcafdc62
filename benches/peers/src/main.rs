//! What is measured, in what order, and where does it go?
//!
//! `peers [--quick] [--only room,room]`. With `--only`, it prints the figures and writes nothing. The other commands are for the
//! processes that it starts itself.

use std::env;
use std::path::Path;

use peers::contenders::Contender;
use peers::effort::Effort;
use peers::figures::Figures;
use peers::{
    Failure, build_cost, charts, in_process, loopback, machine, memory, redis, report, stall,
};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// A room to measure in.
type Room = fn(&mut Figures, Effort) -> Result<(), Failure>;

const ROOMS: [(&str, Room); 6] = [
    ("in_process", in_process::measure),
    ("memory", memory::measure),
    ("stall", stall::measure),
    ("loopback", loopback::measure),
    ("redis", redis::measure),
    ("build_cost", build_cost::measure),
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => everything(Effort::Full),
        ["--quick"] => everything(Effort::Quick),
        ["--only", rooms] => only(rooms, Effort::Full),
        ["--quick", "--only", rooms] => only(rooms, Effort::Quick),
        ["rss", id, sessions] => memory::rss(Contender::of(id)?, sessions.parse()?),
        ["stall", id, sessions] => stall::one(Contender::of(id)?, sessions.parse()?),
        ["serve", id, sessions, file, url] => {
            let sessions = sessions.parse()?;
            let app = async {
                match Contender::of(id) {
                    Ok(contender) => contender.app(sessions).await,
                    Err(_) => redis::app(id, url).await,
                }
            };
            loopback::serve(app, sessions, Path::new(file))
        }
        _ => Err("usage: peers [--quick] [--only room,room]".into()),
    }
}

fn everything(effort: Effort) -> Result<(), Failure> {
    let mut figures = Figures::default();
    if let Some(busy) = machine::busy().filter(|busy| *busy > 0.1) {
        figures.note(format!(
            "the machine was busy with something else when this run began, for {:.0}% of its time: do not trust the times.",
            busy * 100.0
        ));
    }
    for (name, measure) in ROOMS {
        eprintln!("== {name}");
        measure(&mut figures, effort)?;
    }
    let folder = Path::new(FOLDER);
    let charts = charts::draw(&figures, effort, &folder.join("charts"))?;
    report::write(&figures, effort, &charts, &folder.join("RESULTS.md"))
}

fn only(rooms: &str, effort: Effort) -> Result<(), Failure> {
    let mut figures = Figures::default();
    for room in rooms.split(',') {
        let found = ROOMS.iter().find(|(name, _)| *name == room);
        let (_, measure) = found.ok_or_else(|| format!("there is no room {room:?}"))?;
        measure(&mut figures, effort)?;
    }
    Ok(())
}
