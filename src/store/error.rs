//! The error of a store, as the layer and the tracker report it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::store::activity_store::BoxError;

/// Says that the store failed, or did not answer within the policy's
/// [`store_timeout`](crate::PolicyBuilder::with_store_timeout).
///
/// The store's own error is the [`source`](Error::source).
#[derive(Debug)]
pub struct StoreError(ErrorKind);

#[derive(Debug)]
enum ErrorKind {
    Failed(BoxError),
    TimedOut(Duration),
}

impl StoreError {
    pub(crate) fn failed(error: impl Into<BoxError>) -> Self {
        Self(ErrorKind::Failed(error.into()))
    }

    pub(crate) fn timed_out(limit: Duration) -> Self {
        Self(ErrorKind::TimedOut(limit))
    }

    /// Returns whether the store took too long. Otherwise it answered with an error.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, ErrorKind::TimedOut(_))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ErrorKind::Failed(_) => {
                f.write_str("the session activity store failed: see the source of this error")
            }
            ErrorKind::TimedOut(limit) => write!(
                f,
                "the session activity store did not answer within {limit:?}: check the connection \
                 to it, or allow it more time with `Policy::builder().with_store_timeout(…)`"
            ),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            ErrorKind::Failed(source) => Some(&**source),
            ErrorKind::TimedOut(_) => None,
        }
    }
}
