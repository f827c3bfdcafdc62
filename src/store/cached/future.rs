//! The future that the operations of a near cache return.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::store::activity_store::BoxError;

/// The future of every operation of a [`CachedStore`](crate::CachedStore).
///
/// An answer from memory is ready at once and is not boxed.
#[must_use = "futures do nothing unless polled"]
pub struct CachedFuture<T>(State<T>);

enum State<T> {
    Ready(Ready<Result<T, BoxError>>),
    Boxed(Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>),
}

impl<T> CachedFuture<T> {
    pub(super) fn ready(answer: T) -> Self {
        Self(State::Ready(ready(Ok(answer))))
    }

    pub(super) fn boxed(
        operation: impl Future<Output = Result<T, BoxError>> + Send + 'static,
    ) -> Self {
        Self(State::Boxed(Box::pin(operation)))
    }

    /// Waits for an operation of the shared store.
    pub(super) fn passed_on<E: Into<BoxError>>(
        operation: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Self {
        Self::boxed(async move { operation.await.map_err(Into::into) })
    }
}

impl<T> Future for CachedFuture<T> {
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            State::Ready(answer) => Pin::new(answer).poll(cx),
            State::Boxed(operation) => operation.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for CachedFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0 {
            State::Ready(_) => "Ready",
            State::Boxed(_) => "Boxed",
        };
        f.debug_tuple("CachedFuture").field(&state).finish()
    }
}
