//! A harness that runs all contenders in the same way.

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

/// The number of requests that a thread has under way at once. With so many, it has other work
/// while one of them waits for a lock.
pub const IN_FLIGHT: usize = 16;

/// A contender that is ready for requests. Each method fails if a response is not as expected.
pub trait Harness {
    /// Logs sessions in, and passes each cookie to `keep`.
    fn log_in(
        &self,
        sessions: usize,
        keep: &mut dyn FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure>;

    /// Measures the time to answer all requests, one after the other.
    fn answer(&self, requests: Vec<Request>, expected: StatusCode) -> Result<Duration, Failure>;

    /// Measures the time that several threads take for `rounds` rounds. In each round, a thread
    /// answers [`IN_FLIGHT`] lists of requests at once. `requests` makes each list from its seed.
    fn answer_together(
        &self,
        threads: usize,
        rounds: usize,
        requests: &(dyn Fn(usize) -> Vec<Request> + Sync),
    ) -> Result<Duration, Failure>;

    /// Measures the nanoseconds of each request, while several threads send `requests` each. `make`
    /// makes some of them from a seed. `before` is called before each request, outside the measured
    /// time.
    fn latencies(
        &self,
        threads: usize,
        requests: usize,
        make: &(dyn Fn(usize) -> Vec<Request> + Sync),
        before: &(dyn Fn() + Sync),
    ) -> Result<Vec<u32>, Failure>;
}

/// Logs sessions in, and returns their cookies.
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
    /// Builds the service in the runtime, so that it can start tasks.
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
                    // A thread that fails also waits here. Otherwise the others would wait for
                    // ever.
                    barrier.wait();
                    answered?;
                }
                Ok(times)
            }
        })?;
        // The time of a round is that of its slowest thread.
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

/// Runs a closure in each thread, and collects the results.
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
