//! The questions that are under way: one for each session, and batches while there are many.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::mem::{replace, take};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::activity_store::BoxError;

/// How many questions are asked at once. What comes while so many are under way is gathered, and
/// asked as one batch when the next of them has its answer.
///
/// A node that starts knows no session, so each of its requests is a question. Without batches,
/// 10 000 requests would queue for the few connections of a database.
const LANES: usize = 16;

/// How many sessions one batch asks for.
const BATCH: usize = 1_000;

/// The answer to a question, for several callers.
pub(super) type SharedAnswer = Result<Option<Activity>, SharedFailure>;

/// The questions that are under way.
#[derive(Default)]
pub(super) struct Questions {
    begun: AtomicU64,
    sessions: Mutex<HashMap<SessionKey, UnderWay>>,
    lanes: Mutex<Lanes>,
}

/// A question about one session, which more callers can join.
struct UnderWay {
    number: u64,
    /// The generation of the shard when it was asked. A caller that comes after a change must not
    /// get an answer of before the change.
    generation: u64,
    begun: Instant,
    /// It has no receiver when no caller waits any more.
    answer: Arc<broadcast::Sender<SharedAnswer>>,
}

/// What a caller does about a session that is not in memory.
pub(super) enum Role {
    /// It has the question asked, and waits for the answer.
    Begins(Asking, Answering),
    /// It waits for the answer to the question of another caller, which has this number.
    Joins(u64, Answering),
}

/// Where a question came to nothing. It is asked again.
#[derive(Debug)]
pub(super) struct NoAnswer;

#[derive(Default)]
struct Lanes {
    busy: usize,
    gathered: Vec<Gathered>,
}

/// A question that waits for the next batch.
pub(super) struct Gathered {
    pub(super) key: SessionKey,
    pub(super) touch: Touch,
    pub(super) answer: oneshot::Sender<SharedAnswer>,
}

/// How a question gets its answer.
pub(super) enum Way {
    /// The caller asks the shared store, and then calls [`Questions::leave`].
    Alone,
    /// A batch asks.
    Batch(oneshot::Receiver<SharedAnswer>),
}

impl Questions {
    /// Returns how many questions have begun. It is the number of the next one.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Joins the question about a session that is under way, or begins one.
    ///
    /// A question that has taken longer than `patience` is not joined, so that one that never ends
    /// does not stop the session for good.
    pub(super) fn join(
        self: &Arc<Self>,
        key: SessionKey,
        generation: u64,
        patience: Duration,
    ) -> Role {
        let mut sessions = self.lock_sessions();
        if let Some(under_way) = sessions.get(&key)
            && under_way.generation == generation
            && under_way.begun.elapsed() < patience
            && under_way.answer.receiver_count() > 0
        {
            let answering = Answering(under_way.answer.subscribe());
            return Role::Joins(under_way.number, answering);
        }
        // The callers get the answer in the order in which they came.
        let (sender, receiver) = broadcast::channel(1);
        let answer = Arc::new(sender);
        let under_way = UnderWay {
            number: self.begun.fetch_add(1, Ordering::Relaxed),
            generation,
            begun: Instant::now(),
            answer: Arc::clone(&answer),
        };
        sessions.insert(key, under_way);
        let asking = Asking {
            questions: Arc::clone(self),
            key,
            answer,
        };
        Role::Begins(asking, Answering(receiver))
    }

    /// Takes a lane, or puts the question into the next batch.
    pub(super) fn enter(&self, key: SessionKey, touch: Touch) -> Way {
        let mut lanes = self.lock_lanes();
        if lanes.busy < LANES {
            lanes.busy += 1;
            return Way::Alone;
        }
        let (answer, receiver) = oneshot::channel();
        lanes.gathered.push(Gathered { key, touch, answer });
        Way::Batch(receiver)
    }

    /// Gives the lane back, or returns the batch to ask in it.
    #[must_use]
    pub(super) fn leave(&self) -> Option<Vec<Gathered>> {
        let mut lanes = self.lock_lanes();
        // A shared store that is too slow must not be asked for what no caller waits for any more.
        let waits = |gathered: &Gathered| !gathered.answer.is_closed();
        lanes.gathered.retain(waits);
        if lanes.gathered.is_empty() {
            lanes.busy -= 1;
            return None;
        }
        let size = lanes.gathered.len().min(BATCH);
        let later = lanes.gathered.split_off(size);
        Some(replace(&mut lanes.gathered, later))
    }

    /// Gives the lane back when nothing can be asked any more. The callers that wait ask again.
    pub(super) fn close(&self) {
        let mut lanes = self.lock_lanes();
        lanes.busy -= 1;
        let _ = take(&mut lanes.gathered);
    }

    fn lock_sessions(&self) -> MutexGuard<'_, HashMap<SessionKey, UnderWay>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a question that gets the answer. When it is dropped without one, the callers ask
/// again.
pub(super) struct Asking {
    questions: Arc<Questions>,
    key: SessionKey,
    answer: Arc<broadcast::Sender<SharedAnswer>>,
}

impl Asking {
    /// Runs the question, and passes the answer to the callers. Stops when no caller waits any
    /// more.
    pub(super) async fn run(
        self,
        question: impl Future<Output = Result<Option<Activity>, BoxError>>,
    ) {
        tokio::select! {
            biased;
            answer = question => {
                self.remove();
                // There may be no caller any more.
                let _ = self.answer.send(answer.map_err(SharedFailure::of));
            }
            () = self.answer.closed() => {}
        }
    }

    fn remove(&self) {
        let mut sessions = self.questions.lock_sessions();
        let is_this = |under_way: &UnderWay| Arc::ptr_eq(&under_way.answer, &self.answer);
        if sessions.get(&self.key).is_some_and(is_this) {
            sessions.remove(&self.key);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The end of a question that waits for the answer.
pub(super) struct Answering(broadcast::Receiver<SharedAnswer>);

impl Answering {
    pub(super) async fn wait(mut self) -> Result<SharedAnswer, NoAnswer> {
        self.0.recv().await.map_err(|_| NoAnswer)
    }
}

/// An error of the shared store that several callers get. It reads like the error itself.
#[derive(Clone, Debug)]
pub(super) struct SharedFailure(Arc<BoxError>);

impl SharedFailure {
    pub(super) fn of(error: impl Into<BoxError>) -> Self {
        Self(Arc::new(error.into()))
    }
}

impl fmt::Display for SharedFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// The error of a question that came to nothing several times.
impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the question to the shared store ended without an answer: the store panicked (see the \
             log), or its Tokio runtime was shut down",
        )
    }
}

impl Error for NoAnswer {}
