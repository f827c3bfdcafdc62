//! Measures requests inside the process, without a server.

use http::StatusCode;
use tower_login_timeout::ManualClock;

use crate::Failure;
use crate::contenders::{Contender, IDLE, ours};
use crate::effort::Effort;
use crate::figures::{Figures, median, short};
use crate::harness::{Harness, IN_FLIGHT, logged_in};
use crate::jar::Jar;
use crate::request::{self, NOBODY, Request};
use crate::rng::Rng;

/// So many requests are made before they are answered and timed, few enough to stay in the cache.
const BATCH: usize = 32;

/// Measures every contender round by round, so that whatever else the machine does meets all of them.
///
/// # Errors
///
/// If a contender answers otherwise than expected.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let mut field = Vec::new();
    for contender in Contender::ALL {
        for sessions in sizes(contender, effort) {
            eprintln!("… {} sessions for {}", short(sessions), contender.id());
            field.push(Prepared::new(contender, sessions)?);
        }
    }
    live(figures, effort, &field)?;
    together(figures, effort, &field)?;
    anonymous(figures, effort, &field)?;
    expired(figures, effort)
}

fn sizes(contender: Contender, effort: Effort) -> Vec<usize> {
    match contender {
        Contender::Bare => vec![effort.many()],
        Contender::Ours => vec![effort.few(), effort.many(), effort.most()],
        _ => vec![effort.few(), effort.many()],
    }
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

    fn some(&self, rng: &mut Rng) -> Vec<Request> {
        let cookies = (0..BATCH).map(|_| self.jar.draw(rng));
        cookies.map(request::page).collect()
    }
}

/// A live session asks for a page.
fn live(figures: &mut Figures, effort: Effort, field: &[Prepared]) -> Result<(), Failure> {
    let (rounds, batches) = effort.pick((7, 128), (41, 320));
    let mut rng = Rng::new(1);
    let mut times = vec![Vec::with_capacity(rounds); field.len()];
    for round in 0..=rounds {
        for (one, times) in field.iter().zip(&mut times) {
            let requests = || one.some(&mut rng);
            let nanos = turn(&*one.harness, batches, StatusCode::OK, requests)?;
            // The first round is to warm up.
            if round > 0 {
                times.push(nanos);
            }
        }
    }
    add_beside_bare(figures, "live", field, &times);
    Ok(())
}

/// Nobody's session asks for a page.
fn anonymous(figures: &mut Figures, effort: Effort, field: &[Prepared]) -> Result<(), Failure> {
    let (rounds, batches) = effort.pick((7, 128), (31, 160));
    let field: Vec<_> = field
        .iter()
        .filter(|one| one.sessions == effort.many())
        .collect();
    let mut times = vec![Vec::with_capacity(rounds); field.len()];
    for round in 0..=rounds {
        for (one, times) in field.iter().zip(&mut times) {
            let expected = match one.contender {
                Contender::Bare | Contender::Least | Contender::Ours => StatusCode::OK,
                _ => StatusCode::NO_CONTENT,
            };
            let requests = || (0..BATCH).map(|_| request::page(NOBODY)).collect();
            let nanos = turn(&*one.harness, batches, expected, requests)?;
            if round > 0 {
                times.push(nanos);
            }
        }
    }
    add_beside_bare(figures, "anonymous", field, &times);
    Ok(())
}

/// Live sessions ask on one thread, and on two.
fn together(figures: &mut Figures, effort: Effort, field: &[Prepared]) -> Result<(), Failure> {
    let (repeats, rounds, part) = effort.pick((3, 4, 256), (11, 10, 512));
    let field: Vec<_> = field
        .iter()
        .filter(|one| one.sessions == effort.many())
        .collect();
    let mut measured = vec![[const { Vec::new() }; 3]; field.len()];
    for _ in 0..repeats {
        for (one, [alone, both, gain]) in field.iter().zip(&mut measured) {
            let jar = &one.jar;
            let requests = |seed: usize| {
                let mut rng = Rng::new(seed as u64 + 1);
                let cookies = (0..part).map(|_| jar.draw(&mut rng));
                cookies.map(request::page).collect()
            };
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

/// Sessions that are over ask for a page, and get a whole 440.
fn expired(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let (rounds, batches) = effort.pick((7, 128), (31, 160));
    let clock = ManualClock::new();
    let harness = ours::harness(effort.many(), clock.clone())?;
    let jar = logged_in(&harness, effort.many())?;
    clock.advance(IDLE);
    let over = StatusCode::from_u16(440)?;
    let mut rng = Rng::new(2);
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let requests = || {
            let cookies = (0..BATCH).map(|_| jar.draw(&mut rng));
            cookies.map(request::page).collect()
        };
        times.push(turn(&harness, batches, over, requests)?);
    }
    figures.add("expired.ours", "ns", &times);
    Ok(())
}

/// One contender's turn in a round: nanoseconds per request in the median batch, since a whole turn is long enough for the system to
/// interrupt it.
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

/// The whole time of each contender, and what it takes beyond the bare service of the same round.
fn add_beside_bare<P: std::borrow::Borrow<Prepared>>(
    figures: &mut Figures,
    what: &str,
    field: impl IntoIterator<Item = P>,
    times: &[Vec<f64>],
) {
    let bare = &times[0];
    for (one, times) in field.into_iter().zip(times) {
        let one = one.borrow();
        figures.add(format!("{what}.{}.whole", one.name()), "ns", times);
        if one.contender != Contender::Bare {
            let over: Vec<f64> = times
                .iter()
                .zip(bare)
                .map(|(time, bare)| time - bare)
                .collect();
            figures.add(format!("{what}.{}", one.name()), "ns", &over);
        }
    }
}
