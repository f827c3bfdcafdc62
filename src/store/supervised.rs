//! How long may a store take, and what is its failure called?

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::BoxError;

/// The store failed, or did not answer within the policy's
/// [`store_timeout`](crate::PolicyBuilder::with_store_timeout).
///
/// The store's own error is the [`source`](Error::source).
#[derive(Debug)]
pub struct StoreError(Failure);

#[derive(Debug)]
enum Failure {
    Failed(BoxError),
    TimedOut(Duration),
}

impl StoreError {
    pub(crate) fn failed(error: impl Into<BoxError>) -> Self {
        Self(Failure::Failed(error.into()))
    }

    /// Whether the store took too long, rather than answering with an error.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, Failure::TimedOut(_))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Failed(_) => f.write_str("the session activity store failed"),
            Failure::TimedOut(limit) => write!(
                f,
                "the session activity store did not answer within {limit:?}: check the connection to it, or allow \
                 it more time with `Policy::builder().with_store_timeout(…)`"
            ),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Failure::Failed(source) => Some(&**source),
            Failure::TimedOut(_) => None,
        }
    }
}

pin_project! {
    /// A store's future with a deadline.
    #[derive(Debug)]
    pub(crate) struct Supervised<F> {
        #[pin]
        operation: F,
        limit: Duration,
        // Armed at the first `Pending` only: a store that answers at once needs no timer, and no runtime.
        deadline: Option<Pin<Box<Sleep>>>,
    }
}

impl<F> Supervised<F> {
    pub(crate) fn new(operation: F, limit: Duration) -> Self {
        Self {
            operation,
            limit,
            deadline: None,
        }
    }
}

impl<F, T, E> Future for Supervised<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, StoreError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(result) = this.operation.poll(cx) {
            return Poll::Ready(result.map_err(StoreError::failed));
        }
        let deadline = this
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(*this.limit)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(StoreError(Failure::TimedOut(*this.limit))))
    }
}
