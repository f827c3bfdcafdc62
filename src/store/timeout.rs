//! The time limit of a store operation.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::store::activity_store::BoxError;
use crate::store::error::StoreError;

pin_project! {
    /// A store operation with a time limit.
    #[derive(Debug)]
    pub(crate) struct WithTimeout<F> {
        #[pin]
        operation: F,
        limit: Duration,
        // Armed at the first `Pending`. A store that answers at once needs no timer and no runtime.
        deadline: Option<Pin<Box<Sleep>>>,
    }
}

impl<F> WithTimeout<F> {
    pub(crate) fn new(operation: F, limit: Duration) -> Self {
        Self {
            operation,
            limit,
            deadline: None,
        }
    }
}

impl<F, T, E> Future for WithTimeout<F>
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
        Poll::Ready(Err(StoreError::timed_out(*this.limit)))
    }
}
