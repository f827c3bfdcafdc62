//! The future of an operation that is measured.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::event::store_event::{StoreEvent, TimedOperation};
use crate::store::event::store_observers::StoreObservers;

/// What the operations of one store have in common.
pub(super) struct Timing {
    pub(super) name: &'static str,
    pub(super) slow: Duration,
    pub(super) observers: StoreObservers,
}

/// The future of an operation of a [`TimedStore`](crate::TimedStore).
#[derive(Debug)]
pub struct TimedFuture<F> {
    operation: F,
    /// Reports when it is dropped. There is none after the answer.
    measurement: Option<Measurement>,
}

impl<F> TimedFuture<F> {
    pub(super) fn new(operation: F, measurement: Measurement) -> Self {
        Self {
            operation,
            measurement: Some(measurement),
        }
    }
}

impl<F: Future + Unpin> Future for TimedFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.operation).poll(cx));
        self.measurement = None;
        Poll::Ready(answer)
    }
}

/// An operation that is under way. It ends when this is dropped.
pub(super) struct Measurement {
    timing: Arc<Timing>,
    operation: TimedOperation,
    began: Instant,
}

impl Measurement {
    pub(super) fn begin(timing: &Arc<Timing>, operation: TimedOperation) -> Self {
        Self {
            timing: Arc::clone(timing),
            operation,
            began: Instant::now(),
        }
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        let Timing {
            name: store,
            slow,
            ref observers,
        } = *self.timing;
        let (operation, took) = (self.operation, self.began.elapsed());
        observers.tell(&StoreEvent::Timed {
            store,
            operation,
            took,
        });
        if took > slow {
            observers.report(&StoreEvent::Slow {
                store,
                operation,
                took,
            });
        }
    }
}

impl fmt::Debug for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measurement")
            .field("operation", &self.operation)
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}
