//! The longest requests while sessions expire.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tower_login_timeout::{Activity, Clock, ManualClock, Policy};

use crate::Failure;
use crate::contenders::{ABSOLUTE, Contender, IDLE, ours};
use crate::effort::Effort;
use crate::figures::Figures;
use crate::harness::{Harness, logged_in};
use crate::jar::Jar;
use crate::processes::{another_self, output};
use crate::rng::Rng;

const THREADS: usize = 2;

/// The number of sessions that do not expire.
const ALIVE: usize = 10_000;

/// The number of times that the clock moves while the requests run.
const TICKS: usize = 8_192;

/// The time by which it moves. All together are two minutes, which is enough to remove everything.
const TICK: Duration = Duration::from_millis(15);

/// The contenders that are measured. tower-sessions removes nothing. axum_session removes sessions
/// an hour after its start, and the run does not wait for that.
const FIELD: [Contender; 2] = [Contender::Bare, Contender::Ours];

/// Lets the sessions of each contender expire under load, in a process of its own.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let names = ["p50", "p99", "p99.99", "max", "left"];
    let mut measured = [const { [const { Vec::new() }; 5] }; FIELD.len()];
    for _ in 0..effort.pick(1, 5) {
        for (contender, measured) in FIELD.iter().zip(&mut measured) {
            let sessions = effort.many().to_string();
            let printed = output(another_self()?.args(["stall", contender.id(), &sessions]))?;
            for (value, measured) in printed.split_whitespace().zip(measured) {
                measured.push(value.parse()?);
            }
        }
    }
    for (contender, measured) in FIELD.iter().zip(&measured) {
        for (name, measured) in names.iter().zip(measured) {
            let unit = if *name == "left" { "sessions" } else { "us" };
            figures.add(format!("stall.{}.{name}", contender.id()), unit, measured);
        }
    }
    figures.note(
        "stalls: tower-sessions' MemoryStore never removes an expired session, so there is nothing \
         to stall for, and its memory grows until the process ends. axum_session's first removal \
         is an hour after its start and is not measured.",
    );
    Ok(())
}

/// Prints the median, two percentiles and the longest time, in microseconds, and the number of
/// expired sessions that are still in the store. `measure` runs it in a process of its own.
pub fn one(contender: Contender, sessions: usize) -> Result<(), Failure> {
    let (mut nanos, left) = match contender {
        Contender::Ours => in_ours(sessions)?,
        _ => {
            let harness = contender.harness(sessions)?;
            let alive = logged_in(&*harness, ALIVE)?;
            (load(&*harness, &alive, sessions, &|| {})?, 0)
        }
    };
    nanos.sort_unstable();
    let at = |share: f64| {
        let place = (nanos.len() as f64 * share) as usize;
        f64::from(nanos.get(place).or(nanos.last()).copied().unwrap_or(0)) / 1_000.0
    };
    println!("{} {} {} {} {left}", at(0.5), at(0.99), at(0.9999), at(1.0));
    Ok(())
}

fn in_ours(sessions: usize) -> Result<(Vec<u32>, usize), Failure> {
    let clock = ManualClock::new();
    let store = ours::store(sessions);
    let harness = ours::harness(store.clone(), clock.clone())?;
    harness.log_in(sessions, &mut |_| Ok(()))?;
    // From this time on, the store may remove the sessions. It has not removed one yet. It rounds
    // the time up to a whole minute.
    let policy = Policy::builder()
        .with_idle(IDLE)
        .with_absolute(ABSOLUTE)
        .build()?;
    let began = clock.now();
    let removable = policy.keep_until(&Activity::began(began));
    clock.set(removable.saturating_add(Duration::from_secs(60)));
    let alive = logged_in(&harness, ALIVE)?;
    let requests = AtomicUsize::new(0);
    let per_tick = (sessions / TICKS).max(1);
    let nanos = load(&harness, &alive, sessions, &|| {
        if requests
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(per_tick)
        {
            clock.advance(TICK);
        }
    })?;
    Ok((nanos, store.len().saturating_sub(ALIVE)))
}

fn load(
    harness: &dyn Harness,
    alive: &Jar,
    requests: usize,
    before: &(dyn Fn() + Sync),
) -> Result<Vec<u32>, Failure> {
    let make = |seed: usize| alive.pages(256, &mut Rng::new(seed as u64 + 1));
    harness.latencies(THREADS, requests / THREADS, &make, before)
}
