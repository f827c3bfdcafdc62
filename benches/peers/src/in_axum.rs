//! What a user of axum pays: the time and the allocations of a request through a `Router`.

use std::task::{Context, Poll};

use axum::Router;
use http::StatusCode;
use tower::{Service, layer::layer_fn};
use tower_login_timeout::Policy;

use crate::Failure;
use crate::contenders::{bare, ours};
use crate::effort::Effort;
use crate::figures::{Figures, median};
use crate::harness::{Harness, IN_FLIGHT, ServiceHarness, logged_in};
use crate::jar::Jar;
use crate::processes::{counter, output};
use crate::rng::Rng;

/// So few sessions stay in the caches. What is measured is axum's part.
const SESSIONS: usize = 1_000;
const BATCH: usize = 32;

/// An application in axum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// The application alone.
    Bare,
    /// Behind a layer that does nothing.
    Nothing,
    /// Behind this crate.
    Ours,
}

impl Application {
    /// All applications, the bare one first.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Nothing, Self::Ours];

    /// Returns the name in figures.
    pub fn id(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Nothing => "nothing",
            Self::Ours => "ours",
        }
    }

    /// Builds the application as `axum::serve` has it for a connection.
    pub fn harness(self) -> Result<impl Harness, Failure> {
        let app = match self {
            Self::Bare => bare::app(),
            Self::Nothing => bare::app().layer(layer_fn(|inner| Nothing { inner })),
            Self::Ours => ours::app(Policy::builder(), ours::store(SESSIONS))?,
        };
        let app: Router = app.with_state(());
        ServiceHarness::new(async { Ok(app) })
    }
}

/// A service that passes everything on.
#[derive(Clone, Debug)]
struct Nothing<S> {
    inner: S,
}

impl<S: Service<R>, R> Service<R> for Nothing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.inner.call(request)
    }
}

/// Measures pages with a live session, on one thread and on two, and counts their allocations.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let mut field = Vec::new();
    for application in Application::ALL {
        let harness = application.harness()?;
        let jar = logged_in(&harness, SESSIONS)?;
        field.push((application, harness, jar));
    }
    let (rounds, batches) = effort.pick((7, 128), (41, 320));
    let (repeats, turns, part) = effort.pick((3, 4, 256), (11, 10, 512));
    let mut rng = Rng::new(5);
    let mut times = vec![Vec::new(); field.len()];
    // The first round warms up.
    for round in 0..=rounds {
        for ((_, harness, jar), times) in field.iter().zip(&mut times) {
            let nanos = turn(harness, jar, batches, &mut rng)?;
            if round > 0 {
                times.push(nanos);
            }
        }
    }
    let mut gains = vec![Vec::new(); field.len()];
    for _ in 0..repeats {
        for ((_, harness, jar), gains) in field.iter().zip(&mut gains) {
            let requests = |seed: usize| jar.pages(part, &mut Rng::new(seed as u64 + 1));
            let per_second = |threads: usize| -> Result<f64, Failure> {
                let took = harness.answer_together(threads, turns, &requests)?;
                Ok((threads * turns * IN_FLIGHT * part) as f64 / took.as_secs_f64())
            };
            let one = per_second(1)?;
            gains.push(per_second(2)? / one);
        }
    }
    let mut allocations = Vec::new();
    for (index, (application, ..)) in field.iter().enumerate() {
        let id = application.id();
        figures.add(format!("axum.{id}.whole"), "ns", &times[index]);
        figures.add(format!("axum.threads.gain.{id}"), "times", &gains[index]);
        let count = output(counter()?.args(["axum", id, "1000"]))?;
        let count: f64 = count.trim().parse()?;
        figures.add(format!("axum.{id}.allocations"), "allocations", &[count]);
        allocations.push(count);
    }
    let added = allocations[2] - allocations[1];
    figures.add("axum.ours.allocations.beyond", "allocations", &[added]);
    let beyond: Vec<f64> = times[2].iter().zip(&times[1]).map(|(a, b)| a - b).collect();
    figures.add("axum.ours", "ns", &beyond);
    Ok(())
}

/// Returns the nanoseconds per request of the median batch.
fn turn(harness: &impl Harness, jar: &Jar, batches: usize, rng: &mut Rng) -> Result<f64, Failure> {
    let mut nanos = Vec::with_capacity(batches);
    for _ in 0..batches {
        let took = harness.answer(jar.pages(BATCH, rng), StatusCode::OK)?;
        nanos.push(took.as_nanos() as f64 / BATCH as f64);
    }
    median(&nanos).ok_or_else(|| "a turn without a batch".into())
}
