//! The queue in which touches wait for their batch.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Id;
use tokio::sync::oneshot;

use super::codec::LoadResult;
use crate::session::key::SessionKey;
use crate::session::touch::Touch;

/// How many touches one script does at most. It then holds up other commands for half a
/// millisecond at most.
pub(super) const BATCH_SIZE: usize = 128;

/// Gathers the touches of one moment, because one script for all of them costs Redis and its
/// client less time than one script for each.
///
/// Each tokio runtime has a queue of its own. A runtime that stops running tasks then delays or
/// loses its own touches only.
///
/// The invariant: a queue that is not empty has enough batches on their way to take all of it. Each
/// batch takes up to [`BATCH_SIZE`] touches, so `waiting.len() <= batches * BATCH_SIZE` holds
/// whenever the lock is free. [`push`](Batcher::push) keeps it: when a touch finds no room, its
/// caller must start one more batch. [`take_batch`](Batcher::take_batch) keeps it: each call takes
/// one batch's worth, and the last batch takes all that is left, which is no more than it has room
/// for. A batch that is dropped before it ran calls `take_batch` as well, and drops what it took.
/// So each touch is answered or fails. None waits for a batch that does not exist.
#[derive(Default)]
pub(super) struct Batcher(Mutex<Vec<Queue>>);

struct Queue {
    runtime: Id,
    waiting: Vec<QueuedTouch>,
    /// How many batches were started and have not taken their touches yet.
    batches: usize,
}

/// A touch whose caller waits for the answer.
pub(super) struct QueuedTouch {
    pub(super) key: SessionKey,
    pub(super) touch: Touch,
    pub(super) answer: oneshot::Sender<LoadResult>,
}

/// Says who sends a touch that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// A batch that has room for it was started before.
    JoinsBatch,
    /// The caller must start a batch.
    NeedsBatch,
}

impl Batcher {
    /// Adds a touch to the queue of this runtime.
    pub(super) fn push(&self, runtime: Id, touch: QueuedTouch) -> Pushed {
        let mut queues = self.queues();
        let index = queues.iter().position(|queue| queue.runtime == runtime);
        let index = index.unwrap_or_else(|| {
            queues.push(Queue {
                runtime,
                waiting: Vec::new(),
                batches: 0,
            });
            queues.len() - 1
        });
        let Queue {
            waiting, batches, ..
        } = &mut queues[index];
        if waiting.len() == waiting.capacity() {
            // Remove cancelled touches before the queue grows, so that they cannot fill the memory
            // while no batch leaves.
            waiting.retain(|touch| !touch.answer.is_closed());
        }
        waiting.push(touch);
        if waiting.len() <= *batches * BATCH_SIZE {
            return Pushed::JoinsBatch;
        }
        *batches += 1;
        Pushed::NeedsBatch
    }

    /// Takes the touches of one batch. Each batch calls this exactly once.
    pub(super) fn take_batch(&self, runtime: Id) -> Vec<QueuedTouch> {
        let mut queues = self.queues();
        let Some(index) = queues.iter().position(|queue| queue.runtime == runtime) else {
            return Vec::new();
        };
        let queue = &mut queues[index];
        queue.batches -= 1;
        if queue.batches == 0 {
            // By the invariant, one batch has room for all that is left.
            return queues.swap_remove(index).waiting;
        }
        let size = queue.waiting.len().min(BATCH_SIZE);
        let rest = queue.waiting.split_off(size);
        mem::replace(&mut queue.waiting, rest)
    }

    fn queues(&self) -> MutexGuard<'_, Vec<Queue>> {
        // Only a failed allocation could panic under the lock, and it leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;
    use crate::session::policy::Policy;
    use crate::session::time::Timestamp;

    #[test]
    fn cancelled_touches_do_not_fill_the_queue() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let id = runtime.handle().id();
        let batcher = Batcher::default();
        let touch = Policy::default().touch(Timestamp::MAX);
        let push = |key| {
            let (answer, found) = oneshot::channel();
            let pushed = batcher.push(id, QueuedTouch { key, touch, answer });
            (pushed, found)
        };
        let (pushed, _found) = push(SessionKey::of("patient"));
        assert_eq!(pushed, Pushed::NeedsBatch);
        for number in 0..10 * BATCH_SIZE {
            let (pushed, _) = push(SessionKey::of(number.to_string()));
            assert_eq!(pushed, Pushed::JoinsBatch, "{number}");
        }
        let taken = batcher.take_batch(id);
        assert!(taken.len() < BATCH_SIZE, "{}", taken.len());
        assert_eq!(taken[0].key, SessionKey::of("patient"));
        assert!(batcher.queues().is_empty());
    }
}
