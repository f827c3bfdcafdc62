//! How is an answer given that is mostly there already?

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::store::activity_store::BoxError;

/// What every operation of a [`CachedStore`](crate::CachedStore) returns. An answer from memory is not boxed.
#[must_use = "futures do nothing unless polled"]
pub struct CachedFuture<T>(Answer<T>);

enum Answer<T> {
    Known(Ready<Result<T, BoxError>>),
    Asking(Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>),
}

impl<T> CachedFuture<T> {
    pub(super) fn known(answer: T) -> Self {
        Self(Answer::Known(ready(Ok(answer))))
    }

    pub(super) fn asking(
        question: impl Future<Output = Result<T, BoxError>> + Send + 'static,
    ) -> Self {
        Self(Answer::Asking(Box::pin(question)))
    }
}

impl<T> Future for CachedFuture<T> {
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Answer::Known(answer) => Pin::new(answer).poll(cx),
            Answer::Asking(question) => question.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for CachedFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0 {
            Answer::Known(_) => "Known",
            Answer::Asking(_) => "Asking",
        };
        f.debug_tuple("CachedFuture").field(&state).finish()
    }
}
