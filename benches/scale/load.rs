//! Requests that come at a steady pace, whatever the store does, and how long each one took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tower_login_timeout::{ActivityStore, BoxError, Clock, Policy, SessionKey, SystemClock, Touch};

/// How long the layer waits for a store by default.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the requests that have become due are sent.
const TICK: Duration = Duration::from_millis(1);

/// How the requests of one run went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How long each answered request took, in microseconds, counted from when it was due.
    pub(crate) micros: Vec<u32>,
    pub(crate) failed: u64,
    pub(crate) timed_out: u64,
    pub(crate) unknown: u64,
}

impl Outcome {
    /// Returns a percentile in milliseconds.
    pub(crate) fn millis(&mut self, percent: f64) -> f64 {
        self.micros.sort_unstable();
        let Some(last) = self.micros.len().checked_sub(1) else {
            return 0.0;
        };
        f64::from(self.micros[(last as f64 * percent / 100.0) as usize]) / 1_000.0
    }

    pub(crate) const fn errors(&self) -> u64 {
        self.failed + self.timed_out + self.unknown
    }

    fn add(&mut self, answer: Answer) {
        match answer.found {
            Found::Live => self.micros.push(answer.micros),
            Found::Unknown => self.unknown += 1,
            Found::Failed => self.failed += 1,
            Found::TimedOut => self.timed_out += 1,
        }
    }
}

/// How one request went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) number: u64,
    /// When it was due.
    pub(crate) due: Instant,
    pub(crate) micros: u32,
    pub(crate) found: Found,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Live,
    Unknown,
    Failed,
    TimedOut,
}

/// Sends each request when it is due, so many in a second, and waits for all answers.
///
/// A request that is late is counted from when it was due. So a store that stops answering is not
/// spared the requests that it would have had.
pub(crate) async fn send<S: ActivityStore>(
    requests: u64,
    per_second: u64,
    policy: Policy,
    node_and_session: impl FnMut(u64) -> (S, SessionKey),
) -> Outcome {
    let answers = send_each(requests, per_second, policy, node_and_session).await;
    let mut outcome = Outcome::default();
    for answer in answers {
        outcome.add(answer);
    }
    outcome
}

/// As [`send`], with each answer by itself.
pub(crate) async fn send_each<S: ActivityStore>(
    requests: u64,
    per_second: u64,
    policy: Policy,
    mut node_and_session: impl FnMut(u64) -> (S, SessionKey),
) -> Vec<Answer> {
    let (answered, mut answers) = mpsc::unbounded_channel();
    let start = Instant::now();
    let mut tick = start;
    let mut sent = 0;
    while sent < requests {
        let due = start.elapsed().as_micros() as u64 * per_second / 1_000_000;
        while sent < due.min(requests) {
            let (node, key) = node_and_session(sent);
            let due = start + Duration::from_nanos(sent * 1_000_000_000 / per_second);
            let touch = policy.touch(SystemClock.now());
            let (answered, number) = (answered.clone(), sent);
            tokio::spawn(async move {
                let (found, micros) = ask(&node, key, touch, due).await;
                // Nobody listens any more only when the run has failed.
                let _ = answered.send(Answer {
                    number,
                    due,
                    micros,
                    found,
                });
            });
            sent += 1;
        }
        tick += TICK;
        sleep_until(tick).await;
    }
    drop(answered);
    let mut all = Vec::with_capacity(requests as usize);
    while let Some(answer) = answers.recv().await {
        all.push(answer);
    }
    all
}

async fn ask<S: ActivityStore>(
    node: &S,
    key: SessionKey,
    touch: Touch,
    due: Instant,
) -> (Found, u32) {
    let found = match timeout(STORE_TIMEOUT, node.touch(key, touch)).await {
        Ok(Ok(Some(_))) => Found::Live,
        Ok(Ok(None)) => Found::Unknown,
        Ok(Err(error)) => {
            report_first(&error.into());
            Found::Failed
        }
        Err(_) => Found::TimedOut,
    };
    let micros = u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX);
    (found, micros)
}

/// Prints the first errors, so that a run that fails says why.
fn report_first(error: &BoxError) {
    static REPORTED: AtomicU64 = AtomicU64::new(0);
    if REPORTED.fetch_add(1, Ordering::Relaxed) < 3 {
        eprintln!("a request failed: {error}");
    }
}

/// So many callers, each doing one operation after the other until the time is over. Returns how
/// many operations there were.
pub(crate) async fn call_for<F>(
    callers: u64,
    time: Duration,
    operation: impl Fn(u64, u64) -> F + Clone + Send + 'static,
) -> Result<u64, BoxError>
where
    F: Future<Output = Result<(), BoxError>> + Send,
{
    let start = Instant::now();
    let done = Arc::new(AtomicU64::new(0));
    let mut calling = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (operation, done) = (operation.clone(), Arc::clone(&done));
        calling.spawn(async move {
            let mut turn = 0;
            while start.elapsed() < time {
                operation(caller, turn).await?;
                done.fetch_add(1, Ordering::Relaxed);
                turn += 1;
            }
            Ok::<_, BoxError>(())
        });
    }
    while let Some(called) = calling.join_next().await {
        called??;
    }
    Ok(done.load(Ordering::Relaxed))
}
