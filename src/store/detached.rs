//! Work that goes on when nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::store::error::StoreError;

/// A future that runs to its end, once it was polled, even if it is dropped.
///
/// A log-out must be recorded although its client hangs up. Hyper drops the response future then,
/// and this with it. So a future that is not ready at once moves to a task of its own. Where there
/// is no Tokio runtime, it stays here.
pub(crate) struct Detached<T>(Place<T>);

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

enum Place<T> {
    Here(BoxFuture<T>),
    Task(JoinHandle<Result<T, StoreError>>),
    Moving,
}

impl<T> Detached<T> {
    pub(crate) fn new(
        future: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Self {
        Self(Place::Here(Box::pin(future)))
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Place::Here(future) = &mut self.0 {
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            let Ok(runtime) = Handle::try_current() else {
                return Poll::Pending;
            };
            if let Place::Here(future) = std::mem::replace(&mut self.0, Place::Moving) {
                self.0 = Place::Task(runtime.spawn(future));
            }
        }
        match &mut self.0 {
            Place::Task(task) => {
                let joined = ready!(Pin::new(task).poll(cx));
                // The runtime ended before the task did.
                Poll::Ready(joined.unwrap_or_else(|error| Err(StoreError::failed(error))))
            }
            Place::Here(_) | Place::Moving => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Waker;
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_future_that_is_dropped_runs_to_its_end() {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        let mut detached = Detached::new(async move {
            sleep(Duration::from_millis(10)).await;
            seen.store(true, Ordering::SeqCst);
            Ok(())
        });
        let polled = Pin::new(&mut detached).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        drop(detached);
        sleep(Duration::from_millis(20)).await;
        assert!(done.load(Ordering::SeqCst));
    }

    #[test]
    fn a_future_that_is_ready_at_once_needs_no_runtime() {
        let mut detached = Detached::new(async { Ok(7) });
        let polled = Pin::new(&mut detached).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(7))));
    }
}
