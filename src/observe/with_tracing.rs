//! The observer that reports events through `tracing`.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::observe::event::{Cause, Event};
use crate::observe::port::Observe;

#[allow(
    clippy::unnecessary_wraps,
    reason = "without the feature there is no observer"
)]
pub(super) fn built_in() -> Option<Arc<dyn Observe>> {
    Some(Arc::new(Tracing))
}

/// Reports refused requests and store failures through `tracing`.
///
/// A failure of a tracker's operation is not reported, since its caller gets the error.
struct Tracing;

impl Observe for Tracing {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Refused {
                session,
                expired,
                path,
            } => tracing::info!(
                reason = expired.reason().as_str(),
                idle_for = ?expired.idle_for(),
                path,
                session = ?session,
                "session expired"
            ),
            Event::StoreFailed {
                cause: Cause::Request | Cause::Response,
                error,
                ..
            } => tracing::error!(error = %Chain(error), "session not checked or not recorded"),
            _ => {}
        }
    }
}

/// Shows an error with its sources.
///
/// Most subscribers show the first error alone, and the first says only that the store failed.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.source() {
            Some(source) => write!(f, ": {}", Chain(source)),
            None => Ok(()),
        }
    }
}
