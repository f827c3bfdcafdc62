//! The port that events are reported to.

use crate::observe::event::Event;

/// Is told what happens to sessions: for metrics, an audit log, an alarm.
///
/// Any closure that takes an [`Event`] is an observer, if it names the type of its argument:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::{Arc, Mutex};
/// use tower_login_timeout::{CookieId, Event, LoginTimeoutLayer, MemoryStore, Policy};
///
/// let lines = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&lines);
/// let layer = LoginTimeoutLayer::new(Policy::default(), CookieId::new("sid")?, MemoryStore::new())
///     .with_observer(move |event: &Event<'_>| {
///         let line = match event {
///             Event::Began { session, .. } => format!("{session} began"),
///             Event::Ended { session, .. } => format!("{session} ended"),
///             Event::Refused { expired, path, .. } => format!("{path}: {}", expired.reason()),
///             _ => return,
///         };
///         log.lock().unwrap().push(line);
///     });
///
/// layer.tracker().start("sesame").await?;
/// layer.tracker().revoke("sesame").await?;
/// assert_eq!(*lines.lock().unwrap(), ["cdf66f79 began", "cdf66f79 ended"]);
/// # Ok(())
/// # }
/// ```
///
/// An observer is called while a request is handled, on the request's task. So it must return soon
/// and must not block. It hands slow work to another task.
pub trait Observe: Send + Sync + 'static {
    /// Takes note of an event.
    fn observe(&self, event: &Event<'_>);

    /// Returns whether the observer wants [`Event::Request`] too, which each request causes. The
    /// default is no. The layer asks once, when the observer is added.
    fn wants_requests(&self) -> bool {
        false
    }
}

impl<F> Observe for F
where
    F: Fn(&Event<'_>) + Send + Sync + 'static,
{
    fn observe(&self, event: &Event<'_>) {
        self(event);
    }
}
