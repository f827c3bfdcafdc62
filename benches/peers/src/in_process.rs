//! The time of a request inside the process, without a server.

use std::hint::black_box;
use std::time::Instant;

use http::StatusCode;
use tower_login_timeout::{Clock, ManualClock, SystemClock};

use crate::Failure;
use crate::contenders::{Contender, IDLE, ours};
use crate::effort::Effort;
use crate::figures::{Figures, median, short};
use crate::harness::{Harness, IN_FLIGHT, logged_in};
use crate::jar::Jar;
use crate::request::{self, NOBODY, Request};
use crate::rng::Rng;

/// The number of requests that are made at once, and then timed. So few of them stay in the cache.
const BATCH: usize = 32;

/// Measures the contenders in turn, round by round, so that other load on the machine hits all of
/// them.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let mut field = Vec::new();
    for contender in Contender::ALL {
        let sizes = match contender {
            Contender::Bare => vec![effort.many()],
            Contender::Ours => vec![effort.few(), effort.many(), effort.most()],
            _ => vec![effort.few(), effort.many()],
        };
        for sessions in sizes {
            eprintln!("… {} sessions for {}", short(sessions), contender.id());
            field.push(Prepared::new(contender, sessions)?);
        }
    }
    let all: Vec<_> = field.iter().collect();
    let mut many = all.clone();
    many.retain(|one| one.sessions == effort.many());
    live(figures, effort, &all)?;
    floor(figures, effort)?;
    together(figures, effort, &many)?;
    anonymous(figures, effort, &many)?;
    expired(figures, effort)
}

/// A contender whose sessions are logged in.
struct Prepared {
    contender: Contender,
    sessions: usize,
    harness: Box<dyn Harness>,
    jar: Jar,
}

impl Prepared {
    fn new(contender: Contender, sessions: usize) -> Result<Self, Failure> {
        let harness = contender.harness(sessions)?;
        let jar = logged_in(&*harness, sessions)?;
        Ok(Self {
            contender,
            sessions,
            harness,
            jar,
        })
    }

    fn name(&self) -> String {
        match self.contender {
            Contender::Bare => "bare".into(),
            contender => format!("{}.{}", short(self.sessions), contender.id()),
        }
    }
}

/// Measures pages with a live session.
fn live(figures: &mut Figures, effort: Effort, field: &[&Prepared]) -> Result<(), Failure> {
    let (rounds, batches) = effort.pick((7, 128), (41, 320));
    let mut rng = Rng::new(1);
    beside_bare(figures, "live", field, rounds, |one| {
        let requests = || one.jar.pages(BATCH, &mut rng);
        turn(&*one.harness, batches, StatusCode::OK, requests)
    })
}

/// Measures what no such check can do without: it hashes the id, reads the clock, and reads one
/// line of a memory that is as large as the records of all sessions. The hash says which line.
fn floor(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let (rounds, batches) = effort.pick((7, 128), (41, 320));
    let mut rng = Rng::new(6);
    let mut lines: Vec<[u64; 8]> = vec![[0; 8]; effort.many()];
    // Written, so that each page of it is a page of its own.
    for line in &mut lines {
        line[0] = rng.below(usize::MAX) as u64;
    }
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let mut nanos = Vec::with_capacity(batches);
        for _ in 0..batches {
            let mut ids: Vec<Vec<u8>> = (0..BATCH)
                .map(|_| format!("{:043x}", rng.below(usize::MAX)).into_bytes())
                .collect();
            let begun = Instant::now();
            let mut found = 0;
            for id in &mut ids {
                // A request begins after the last one was answered. Otherwise the processor would
                // fetch the lines of many requests at once.
                id[0] ^= black_box(found) as u8 & 1;
                let hash = blake3::hash(id);
                let mut first = [0; 8];
                first.copy_from_slice(&hash.as_bytes()[..8]);
                let line = lines[u64::from_ne_bytes(first) as usize % lines.len()];
                found = line[0] ^ SystemClock.now().as_unix_millis();
            }
            black_box(found);
            nanos.push(begun.elapsed().as_nanos() as f64 / BATCH as f64);
        }
        times.push(median(&nanos).ok_or("a turn without a batch")?);
    }
    figures.add(format!("live.{}.floor", short(effort.many())), "ns", &times);
    Ok(())
}

/// Measures pages without a session.
fn anonymous(figures: &mut Figures, effort: Effort, field: &[&Prepared]) -> Result<(), Failure> {
    let (rounds, batches) = effort.pick((7, 128), (31, 160));
    beside_bare(figures, "anonymous", field, rounds, |one| {
        let requests = || (0..BATCH).map(|_| request::page(NOBODY)).collect();
        let expected = one.contender.anonymous_status();
        turn(&*one.harness, batches, expected, requests)
    })
}

/// Measures pages with a live session on one thread and on two.
fn together(figures: &mut Figures, effort: Effort, field: &[&Prepared]) -> Result<(), Failure> {
    let (repeats, rounds, part) = effort.pick((3, 4, 256), (11, 10, 512));
    let mut measured = vec![[const { Vec::new() }; 3]; field.len()];
    for _ in 0..repeats {
        for (one, [alone, both, gain]) in field.iter().zip(&mut measured) {
            let jar = &one.jar;
            let requests = |seed: usize| jar.pages(part, &mut Rng::new(seed as u64 + 1));
            let per_second = |threads: usize| -> Result<f64, Failure> {
                let took = one.harness.answer_together(threads, rounds, &requests)?;
                let answered = threads * rounds * IN_FLIGHT * part;
                Ok(answered as f64 / took.as_secs_f64())
            };
            let (single, double) = (per_second(1)?, per_second(2)?);
            alone.push(single);
            both.push(double);
            gain.push(double / single);
        }
    }
    for (one, [alone, both, gain]) in field.iter().zip(&measured) {
        let id = one.contender.id();
        figures.add(format!("threads.1.{id}"), "requests/s", alone);
        figures.add(format!("threads.2.{id}"), "requests/s", both);
        figures.add(format!("threads.gain.{id}"), "times", gain);
    }
    Ok(())
}

/// Measures pages with an expired session. Each gets a whole 440.
fn expired(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let (rounds, batches) = effort.pick((7, 128), (31, 160));
    let clock = ManualClock::new();
    let harness = ours::harness(ours::store(effort.many()), clock.clone())?;
    let jar = logged_in(&harness, effort.many())?;
    clock.advance(IDLE);
    let over = StatusCode::from_u16(440)?;
    let mut rng = Rng::new(2);
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        times.push(turn(&harness, batches, over, || {
            jar.pages(BATCH, &mut rng)
        })?);
    }
    figures.add("expired.ours", "ns", &times);
    Ok(())
}

/// Returns the nanoseconds per request of the median batch. A whole turn takes so long that the
/// system may interrupt it; a batch does not.
fn turn(
    harness: &dyn Harness,
    batches: usize,
    expected: StatusCode,
    mut requests: impl FnMut() -> Vec<Request>,
) -> Result<f64, Failure> {
    let mut nanos = Vec::with_capacity(batches);
    for _ in 0..batches {
        let took = harness.answer(requests(), expected)?;
        nanos.push(took.as_nanos() as f64 / BATCH as f64);
    }
    median(&nanos).ok_or_else(|| "a turn without a batch".into())
}

/// Lets the contenders take turns. Adds the whole time of each, and its time beyond that of the
/// bare service in the same round.
fn beside_bare(
    figures: &mut Figures,
    what: &str,
    field: &[&Prepared],
    rounds: usize,
    mut turn: impl FnMut(&Prepared) -> Result<f64, Failure>,
) -> Result<(), Failure> {
    let mut times = vec![Vec::with_capacity(rounds); field.len()];
    for round in 0..=rounds {
        for (one, times) in field.iter().zip(&mut times) {
            let nanos = turn(one)?;
            // The first round warms up.
            if round > 0 {
                times.push(nanos);
            }
        }
    }
    for (one, own) in field.iter().zip(&times) {
        let name = format!("{what}.{}", one.name());
        figures.add(format!("{name}.whole"), "ns", own);
        if one.contender != Contender::Bare {
            let beyond: Vec<f64> = own.iter().zip(&times[0]).map(|(a, b)| a - b).collect();
            figures.add(name, "ns", &beyond);
        }
    }
    Ok(())
}
