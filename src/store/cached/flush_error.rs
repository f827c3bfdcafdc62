//! The error of a flush.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::store::activity_store::BoxError;

/// Says that gathered activity was not written.
///
/// The error of the shared store is the [`source`](Error::source). There is none if the time was
/// over.
#[derive(Debug)]
pub struct FlushError(ErrorKind);

#[derive(Debug)]
enum ErrorKind {
    Failed(BoxError),
    TimedOut { limit: Duration, sessions: usize },
}

impl FlushError {
    pub(super) fn failed(error: impl Into<BoxError>) -> Self {
        Self(ErrorKind::Failed(error.into()))
    }

    pub(super) fn timed_out(limit: Duration, sessions: usize) -> Self {
        Self(ErrorKind::TimedOut { limit, sessions })
    }

    /// Returns whether the time was over before the shared store answered.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, ErrorKind::TimedOut { .. })
    }
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ErrorKind::Failed(_) => f.write_str(
                "the shared store did not take the gathered activity: see the source of this \
                 error, and flush again",
            ),
            ErrorKind::TimedOut { limit, sessions } => write!(
                f,
                "the shared store did not take the gathered activity within {limit:?}; the last \
                 activity of {sessions} sessions is not written: allow more time, and check \
                 whether the store is slow or out of reach"
            ),
        }
    }
}

impl Error for FlushError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            ErrorKind::Failed(source) => Some(&**source),
            ErrorKind::TimedOut { .. } => None,
        }
    }
}
