//! The tests: seeds that are run.

use std::env;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::kinds::SiteKind;
use super::plan::Plan;
use super::run::run;
use super::shorten::shortened;
use super::witness::{Coverage, Tracing};

/// How many requests a seed sends, unless told otherwise.
const REQUESTS: usize = 5_000;

/// How many lines of a trace are printed.
const MOST_LINES: usize = 400;

#[test]
fn every_guarantee_holds_for_the_first_seeds() {
    let report = run_all(1..=20, 1_000);
    report.print();
    assert!(report.failed.is_none());
}

#[test]
fn a_seed_gives_the_same_trace_twice() {
    for seed in 1..=10 {
        let plan = Plan::draw(seed, 300);
        let (one, other) = (run(&plan, Tracing::On), run(&plan, Tracing::On));
        assert!(one.trace.len() > 300);
        let pairs = one.trace.iter().zip(&other.trace);
        for (one, other) in pairs {
            assert_eq!(one, other, "seed {seed}");
        }
        assert_eq!(one.trace.len(), other.trace.len());
    }
}

/// `scripts/simulate` runs it.
#[test]
#[ignore = "it runs for as long as it is told to"]
fn the_seeds_that_are_asked_for() {
    let asked = |name: &str| env::var(name).ok();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let seeds = asked("SIMULATE_SEEDS").unwrap_or("1..100".to_owned());
    let (from, to) = seeds.split_once("..").unwrap_or((&seeds, &seeds));
    let requests = asked("SIMULATE_REQUESTS").map_or(REQUESTS, |text| number(&text) as usize);
    let kind = asked("SIMULATE_SITES").map(|name| SiteKind::named(&name).expect("a kind of site"));
    let is_asked = |seed: &u64| kind.is_none_or(|kind| SiteKind::of(*seed) == kind);
    let seeds = (number(from)..=number(to)).filter(is_asked);
    let report = run_all(seeds, requests);
    report.print();
    assert!(report.failed.is_none());
}

/// What was seen with all seeds.
struct Report {
    coverage: Coverage,
    seeds: u64,
    seconds: f64,
    failed: Option<u64>,
    requests: usize,
}

/// Runs the seeds on all processors, one seed on one thread, up to the first that fails.
fn run_all(seeds: impl Iterator<Item = u64> + Send, requests: usize) -> Report {
    let began = Instant::now();
    let seeds = Mutex::new(seeds);
    let is_over = AtomicBool::new(false);
    let seen = Mutex::new((Coverage::new(), 0, None::<u64>));
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let next = seeds.lock().unwrap().next();
            let Some(seed) = next else {
                return;
            };
            let witness = run(&Plan::draw(seed, requests), Tracing::Off);
            let (coverage, runs, failed) = &mut *seen.lock().unwrap();
            for (what, times) in witness.coverage {
                *coverage.entry(what).or_default() += times;
            }
            *runs += 1;
            if witness.broken.is_some() {
                *failed = Some(failed.map_or(seed, |other: u64| other.min(seed)));
                is_over.store(true, Ordering::Relaxed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (coverage, seeds, failed) = seen.into_inner().unwrap();
    Report {
        coverage,
        seeds,
        seconds: began.elapsed().as_secs_f64(),
        failed,
        requests,
    }
}

impl Report {
    fn print(&self) {
        let requests: u64 = self
            .coverage
            .iter()
            .filter_map(|((kind, _), times)| (*kind == "requests").then_some(times))
            .sum();
        let mut text = String::new();
        let mut last = "";
        for ((kind, name), times) in &self.coverage {
            if *kind != last {
                writeln!(text, "{kind}:").unwrap();
                last = kind;
            }
            writeln!(text, "  {times:>10}  {name}").unwrap();
        }
        let each = requests as f64 / self.seconds;
        println!(
            "{text}{} seeds, {requests} requests in {:.1} s: {each:.0} a second",
            self.seeds, self.seconds
        );
        if let Some(seed) = self.failed {
            println!("{}", explained(seed, self.requests));
        }
    }
}

/// Returns which guarantee a seed breaks, and the shortest trace that can be found.
fn explained(seed: u64, requests: usize) -> String {
    let plan = Plan::draw(seed, requests);
    let Some(guarantee) = run(&plan, Tracing::Off).broken else {
        return format!("seed {seed} fails once and not again: the run is not deterministic");
    };
    let short = shortened(&plan, guarantee);
    let trace = run(&short, Tracing::On).trace;
    // The end is what matters, if something goes round in a circle.
    let hidden = trace.len().saturating_sub(MOST_LINES);
    let trace = trace[hidden..].join("\n");
    format!(
        "seed {seed} breaks this: {guarantee}\n{} of its {} steps do so, in {:#?}\n\
         ({hidden} lines are left out)\n{trace}\n\
         Run it again: scripts/simulate --seeds {seed}..{seed} --requests {requests}",
        short.steps.len(),
        plan.steps.len(),
        short.settings
    )
}
