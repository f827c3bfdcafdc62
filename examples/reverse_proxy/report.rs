//! What the proxy writes to its standard error while it runs: what is wrong with its store.

use std::error::Error;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tower_login_timeout::{Event, Observe};

/// A store that is down fails with each request. One line a second tells as much as a thousand.
const EVERY: Duration = Duration::from_secs(1);

/// Writes why requests could not be checked or recorded.
pub fn failures() -> impl Observe {
    let last = Mutex::new(None::<Instant>);
    move |event: &Event<'_>| {
        let Event::StoreFailed { error, .. } = event else {
            return;
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            say(&with_sources(error));
        }
    }
}

/// Returns an error and what caused it, in one line.
fn with_sources(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line.push_str(&format!(": {error}"));
        source = error.source();
    }
    line
}

/// Writes a line.
pub fn say(line: &str) {
    // Nobody may read it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
