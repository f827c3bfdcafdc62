//! One batch of touches: take them from the queue, send them, answer each caller.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::sync::Arc;
use std::task::Poll;

use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::batcher::{Pushed, QueuedTouch};
use super::codec::LoadResult;
use super::error::RedisStoreError;
use super::operations::Operations;
use crate::session::key::SessionKey;
use crate::session::touch::Touch;

/// Touches one record, in one batch with the touches that other callers begin at the same moment.
pub(super) async fn touch(
    operations: Arc<Operations>,
    key: SessionKey,
    touch: Touch,
) -> LoadResult {
    let deadline = operations.deadline;
    let (answer, found) = oneshot::channel();
    let runtime = Handle::current();
    let queued = QueuedTouch { key, touch, answer };
    if operations.batcher.push(runtime.id(), queued) == Pushed::NeedsBatch {
        let batch = Batch {
            operations,
            runtime: Some(runtime.id()),
        };
        runtime.spawn(batch.send());
    }
    match timeout(deadline, found).await {
        Ok(Ok(found)) => found,
        Err(_) => Err(RedisStoreError::timed_out(deadline)),
        Ok(Err(_)) => {
            // The batch was dropped: its runtime has ended.
            let gone = io::Error::from(io::ErrorKind::NotConnected);
            Err(RedisStoreError::unreachable(gone.into()))
        }
    }
}

/// One batch that was started. Dropping it before it is sent fails the touches that it would take.
struct Batch {
    operations: Arc<Operations>,
    /// The runtime whose touches it takes. It is `None` once they are taken.
    runtime: Option<Id>,
}

impl Batch {
    async fn send(mut self) {
        let_others_join().await;
        let operations = Arc::clone(&self.operations);
        // There is no time limit here, because each caller has its own deadline.
        let _permit = operations.permit().await;
        let mut touches = self.take();
        touches.retain(|touch| !touch.answer.is_closed());
        let sent: Vec<_> = touches
            .iter()
            .map(|queued| (queued.key, queued.touch))
            .collect();
        let touched = operations.touch_each(sent).await;
        match touched {
            Ok(touched) => {
                for (queued, touched) in touches.into_iter().zip(touched) {
                    // The caller needs the record. A check succeeds although it was not written.
                    _ = queued.answer.send(touched.found);
                }
            }
            Err(error) => {
                for queued in touches {
                    _ = queued.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Takes this batch's touches from the queue, the first time it is called.
    fn take(&mut self) -> Vec<QueuedTouch> {
        let runtime = self.runtime.take();
        runtime.map_or_else(Vec::new, |runtime| {
            self.operations.batcher.take_batch(runtime)
        })
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Lets the tasks run that are ready now, so that their touches join the batch.
///
/// Unlike tokio's `yield_now`, it wakes itself in place. So another worker thread can run the batch
/// while this thread is busy.
async fn let_others_join() {
    let mut have_run = false;
    poll_fn(|context| {
        if mem::replace(&mut have_run, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
