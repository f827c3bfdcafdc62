//! Runs any contender in the same way.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, unconstrained};
use tower::Service;

use crate::Failure;
use crate::jar::{self, Jar};
use crate::request::{self, Request};

/// How many requests are under way at once in each thread: enough that a thread has other work
/// while one waits for a lock.
pub const IN_FLIGHT: usize = 16;

/// A contender, ready to be asked.
pub trait Harness {
    /// Begins so many sessions, each by a log-in of its own, and passes the session cookies on.
    ///
    /// # Errors
    ///
    /// If a log-in hands out no cookie, or they cannot be kept.
    fn log_in(
        &self,
        sessions: usize,
        keep: &mut dyn FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure>;

    /// How long it takes to answer all of these, one after the other.
    ///
    /// # Errors
    ///
    /// If one is answered otherwise than expected.
    fn answer(&self, requests: Vec<Request>, expected: StatusCode) -> Result<Duration, Failure>;

    /// How long it takes so many threads to answer what `requests` makes for each of them, `rounds`
    /// times over.
    ///
    /// # Errors
    ///
    /// If one is answered otherwise than expected, or a thread cannot be had.
    fn answer_together(
        &self,
        threads: usize,
        rounds: usize,
        requests: &(dyn Fn(usize) -> Vec<Request> + Sync),
    ) -> Result<Duration, Failure>;

    /// How long each of so many requests takes, in nanoseconds, while that many threads send them.
    /// `before` is called before each, untimed.
    ///
    /// # Errors
    ///
    /// If one is answered otherwise than expected, or a thread cannot be had.
    fn latencies(
        &self,
        threads: usize,
        requests: usize,
        make: &(dyn Fn(usize) -> Vec<Request> + Sync),
        before: &(dyn Fn() + Sync),
    ) -> Result<Vec<u32>, Failure>;
}

/// Sessions that are logged in, as many as the jar keeps.
///
/// # Errors
///
/// If a log-in fails.
pub fn logged_in(harness: &dyn Harness, sessions: usize) -> Result<Jar, Failure> {
    let mut jar = Jar::default();
    harness.log_in(sessions, &mut |cookie| jar.push(cookie))?;
    Ok(jar)
}

/// A tower service and a runtime for it.
pub struct ServiceHarness<S> {
    service: S,
    runtime: Runtime,
}

impl<S> ServiceHarness<S> {
    /// A service that may start tasks while it is built.
    ///
    /// # Errors
    ///
    /// If it cannot be built, or no runtime can be had.
    pub fn new(service: impl Future<Output = Result<S, Failure>>) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let service = runtime.block_on(service)?;
        Ok(Self { service, runtime })
    }
}

impl<S, B> Harness for ServiceHarness<S>
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    fn log_in(
        &self,
        sessions: usize,
        keep: &mut dyn FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut service = self.service.clone();
        self.runtime.block_on(unconstrained(async {
            for _ in 0..sessions {
                let response = call(&mut service, request::log_in()).await;
                keep(&jar::cookies(response.headers()))?;
            }
            Ok(())
        }))
    }

    fn answer(&self, requests: Vec<Request>, expected: StatusCode) -> Result<Duration, Failure> {
        let service = self.service.clone();
        self.runtime.block_on(unconstrained(async {
            let begun = Instant::now();
            answer_all(service, requests, expected).await?;
            Ok(begun.elapsed())
        }))
    }

    fn answer_together(
        &self,
        threads: usize,
        rounds: usize,
        requests: &(dyn Fn(usize) -> Vec<Request> + Sync),
    ) -> Result<Duration, Failure> {
        let barrier = &Barrier::new(threads);
        let times: Vec<Vec<Duration>> = on_threads(threads, |thread| {
            let service = self.service.clone();
            move || {
                let runtime = runtime()?;
                let mut times = Vec::with_capacity(rounds);
                for round in 0..rounds {
                    let seed = round * threads + thread;
                    let parts: Vec<_> = (0..IN_FLIGHT)
                        .map(|part| requests(seed * IN_FLIGHT + part))
                        .collect();
                    barrier.wait();
                    let begun = Instant::now();
                    let answered = runtime.block_on(at_once(&service, parts));
                    times.push(begun.elapsed());
                    // All threads end together, or one would wait for another for ever.
                    barrier.wait();
                    answered?;
                }
                Ok(times)
            }
        })?;
        // A round lasts as long as its slowest thread.
        let slowest = |round: usize| times.iter().filter_map(|of| of.get(round)).max().copied();
        Ok((0..rounds).filter_map(slowest).sum())
    }

    fn latencies(
        &self,
        threads: usize,
        requests: usize,
        make: &(dyn Fn(usize) -> Vec<Request> + Sync),
        before: &(dyn Fn() + Sync),
    ) -> Result<Vec<u32>, Failure> {
        let measured = on_threads(threads, |thread| {
            let mut service = self.service.clone();
            move || {
                let runtime = runtime()?;
                let mut nanos = Vec::with_capacity(requests);
                let mut seed = thread;
                while nanos.len() < requests {
                    let some = make(seed);
                    seed += threads;
                    for request in some {
                        before();
                        let begun = Instant::now();
                        let response = runtime.block_on(call(&mut service, request));
                        let took = begun.elapsed();
                        if response.status() != StatusCode::OK {
                            return Err(unexpected(response.status()));
                        }
                        nanos.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
                    }
                }
                Ok(nanos)
            }
        })?;
        Ok(measured.into_iter().flatten().collect())
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Runs a closure in each of so many threads.
fn on_threads<T: Send, F>(threads: usize, make: impl Fn(usize) -> F) -> Result<Vec<T>, Failure>
where
    F: FnOnce() -> Result<T, Failure> + Send,
{
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(make(thread)))
            .collect();
        started
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a thread panicked".into()))
            })
            .collect()
    })
}

async fn at_once<S, B>(service: &S, parts: Vec<Vec<Request>>) -> Result<(), Failure>
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for part in parts {
        tasks.spawn(unconstrained(answer_all(
            service.clone(),
            part,
            StatusCode::OK,
        )));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn answer_all<S, B>(
    mut service: S,
    requests: Vec<Request>,
    expected: StatusCode,
) -> Result<(), Failure>
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible>,
{
    for request in requests {
        let status = call(&mut service, request).await.status();
        if status != expected {
            return Err(unexpected(status));
        }
    }
    Ok(())
}

async fn call<S, B>(service: &mut S, request: Request) -> http::Response<B>
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible>,
{
    let Ok(()) = poll_fn(|context| service.poll_ready(context)).await;
    let Ok(response) = service.call(request).await;
    response
}

fn unexpected(status: StatusCode) -> Failure {
    format!("answered {status}, which was not expected").into()
}
