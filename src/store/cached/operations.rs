//! The operations that ask the shared store, for a request or in the background.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::cache::Cache;
use super::questions::{Gathered, NoAnswer, Role, SharedAnswer, SharedFailure, Way};
use super::shard::{HashedKey, Lookup, Ticket};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::BoxError;
use crate::store::shared_store::SharedStore;

/// How often a question is asked again that ended without an answer.
const ATTEMPTS: usize = 3;

impl<R: SharedStore> Cache<R> {
    /// Touches the session in the shared store. If the shared store fails, answers from memory
    /// while the entry may be served.
    pub(super) async fn touch(
        self: Arc<Self>,
        key: HashedKey,
        touch: Touch,
    ) -> Result<Option<Activity>, BoxError> {
        let mut question = pin!(self.question(key, touch));
        let in_time = timeout(self.settings.shared_timeout, &mut question).await;
        if !matches!(in_time, Ok(Ok(_))) {
            self.note_failure();
            if let Lookup::Hit(known) | Lookup::HitAndCheck(known) =
                self.lookup_while_failing(key, &touch)
            {
                return Ok(Some(known));
            }
        }
        match in_time {
            Ok(answer) => answer,
            // The cache has no other answer, so the caller decides how long to wait.
            Err(_) => question.await,
        }
    }

    /// Asks about the session, unless another caller does so already.
    ///
    /// A task of its own asks. A caller that is dropped, or is not polled any more, holds up no
    /// other one.
    async fn question(
        self: &Arc<Self>,
        key: HashedKey,
        touch: Touch,
    ) -> Result<Option<Activity>, BoxError> {
        let next = self.questions.begun();
        let mut outcome = Err(NoAnswer);
        for _ in 0..ATTEMPTS {
            let ticket = self.shard(key).ticket(key);
            let patience = self.settings.shared_timeout;
            match self.questions.join(key.key, ticket.generation(), patience) {
                Role::Begins(asking, answering) => {
                    let cache = Arc::clone(self);
                    let question = async move { cache.ask(key, touch, &ticket).await };
                    tokio::spawn(asking.run(question));
                    match answering.wait().await {
                        Ok(answer) => return Ok(answer?),
                        Err(none) => outcome = Err(none),
                    }
                }
                Role::Joins(number, answering) => {
                    let found = match answering.wait().await {
                        Ok(answer) => answer?,
                        Err(none) => {
                            outcome = Err(none);
                            continue;
                        }
                    };
                    outcome = Ok(());
                    match self.lookup(key, &touch) {
                        // The entry is there now, and takes the activity of this request.
                        Lookup::Hit(known) | Lookup::HitAndCheck(known) => return Ok(Some(known)),
                        // A session may have begun between the question and this request. So a
                        // refusal counts only if the request came first.
                        Lookup::Miss if is_live(found, &touch) || number >= next => {
                            if !is_due(found, &touch) {
                                return Ok(found);
                            }
                        }
                        Lookup::Miss => {}
                    }
                }
            }
        }
        outcome?;
        // Each answer was out of date when it came. This question is not shared.
        let ticket = self.shard(key).ticket(key);
        self.ask_after_batch(key, touch, &ticket).await
    }

    async fn ask(
        self: &Arc<Self>,
        key: HashedKey,
        touch: Touch,
        ticket: &Ticket,
    ) -> Result<Option<Activity>, BoxError> {
        match self.questions.enter(key.key, touch) {
            Way::Alone => {
                let _lane = Lane(Arc::clone(self));
                self.ask_alone(key, touch, ticket).await
            }
            Way::Batch(answer) => match answer.await {
                Ok(Ok(Some(found))) => {
                    // A batch only reads. If the activity is due, it is gathered.
                    let found = self.learn(key, ticket, Some(found), &touch.passive());
                    match self.lookup(key, &touch) {
                        Lookup::Hit(known) | Lookup::HitAndCheck(known) => Ok(Some(known)),
                        Lookup::Miss if is_due(found, &touch) => {
                            self.ask_after_batch(key, touch, ticket).await
                        }
                        Lookup::Miss => Ok(found),
                    }
                }
                Ok(Err(failure)) => Err(failure.into()),
                // It is unknown or cannot be read, or there is no batch any more.
                Ok(Ok(None)) | Err(_) => self.ask_after_batch(key, touch, ticket).await,
            },
        }
    }

    /// Asks alone about a session for which the answer of a batch is not enough.
    async fn ask_after_batch(
        &self,
        key: HashedKey,
        touch: Touch,
        ticket: &Ticket,
    ) -> Result<Option<Activity>, BoxError> {
        // The semaphore is never closed.
        let _permit = self.checks.acquire().await;
        self.ask_alone(key, touch, ticket).await
    }

    async fn ask_alone(
        &self,
        key: HashedKey,
        touch: Touch,
        ticket: &Ticket,
    ) -> Result<Option<Activity>, BoxError> {
        let found = self.shared.touch(key.key, touch).await;
        let found = found.map_err(Into::into)?;
        self.note_success();
        Ok(self.learn(key, ticket, found, &touch))
    }

    fn learn(
        &self,
        key: HashedKey,
        ticket: &Ticket,
        found: Option<Activity>,
        touch: &Touch,
    ) -> Option<Activity> {
        let shard = self.shard(key);
        shard.learn(key, ticket, found, touch, self.rehash())
    }

    async fn ask_batch(&self, batch: Vec<Gathered>) {
        // A session is among them twice if it changed in between.
        let mut questions = BTreeMap::<SessionKey, (Touch, Vec<_>)>::new();
        for Gathered { key, touch, answer } in batch {
            let (_, callers) = questions.entry(key).or_insert((touch, Vec::new()));
            callers.push(answer);
        }
        let touches = questions
            .iter()
            .map(|(key, (touch, _))| (*key, touch.passive()))
            .collect();
        let answer = self.shared.touch_many(touches);
        let callers = questions.values_mut().flat_map(|(_, callers)| callers);
        let found = tokio::select! {
            biased;
            found = answer => found,
            // A store that hangs must not hold the lane for ever.
            () = all_gone(callers) => return,
        };
        let mut answer = match found {
            Ok(found) => {
                self.note_success();
                Ok(found.into_iter().collect::<BTreeMap<_, _>>())
            }
            Err(error) => Err(SharedFailure::of(error)),
        };
        for (key, (_, callers)) in questions {
            let answer = match &mut answer {
                Ok(found) => found.remove(&key).transpose().map_err(SharedFailure::of),
                Err(failure) => Err(failure.clone()),
            };
            for caller in callers {
                // A caller that does not wait any more is no error.
                let _ = caller.send(answer.clone());
            }
        }
    }

    /// Loads the record from the shared store, and adds the gathered activity.
    pub(super) async fn load(&self, key: HashedKey) -> Result<Option<Activity>, BoxError> {
        let shard = self.shard(key);
        let ticket = shard.ticket(key);
        let found = self.shared.load(key.key).await;
        let found = found.map_err(Into::<BoxError>::into)?;
        Ok(found.map(|found| shard.with_gathered(key, &ticket, found)))
    }

    /// Begins the session in the shared store. If there is a record already, adds the gathered
    /// activity to it.
    pub(super) async fn begin(
        &self,
        key: HashedKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Result<Activity, BoxError> {
        let shard = self.shard(key);
        let ticket = shard.ticket(key);
        let begun = self.shared.begin(key.key, activity, keep_until).await;
        let begun = begun.map_err(Into::<BoxError>::into)?;
        Ok(shard.with_gathered(key, &ticket, begun))
    }

    /// Starts a task that asks the shared store for the record. No request waits for it.
    pub(super) fn check_in_background(self: &Arc<Self>, key: HashedKey, touch: Touch) {
        let Ok(permit) = Arc::clone(&self.checks).try_acquire_owned() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let cache = Arc::clone(self);
        runtime.spawn(async move {
            // The activity of this touch is gathered already.
            let question = cache.question(key, touch.passive());
            if !matches!(
                timeout(cache.settings.shared_timeout, question).await,
                Ok(Ok(_))
            ) {
                cache.note_failure();
            }
            drop(permit);
        });
    }
}

/// A lane that is given back when the question ends, also if the caller drops it half-way. The next
/// batch takes it over.
struct Lane<R: SharedStore>(Arc<Cache<R>>);

impl<R: SharedStore> Drop for Lane<R> {
    fn drop(&mut self) {
        let questions = &self.0.questions;
        let Ok(runtime) = Handle::try_current() else {
            return questions.close();
        };
        if let Some(batch) = questions.leave() {
            // The lane is a part of the future. A runtime that shuts down drops the future before
            // it is polled, and the lane is given back all the same.
            let lane = Self(Arc::clone(&self.0));
            runtime.spawn(lane.ask(batch));
        }
    }
}

impl<R: SharedStore> Lane<R> {
    /// Asks about many sessions at once. Those that were gathered meanwhile come next.
    async fn ask(self, batch: Vec<Gathered>) {
        self.0.ask_batch(batch).await;
    }
}

/// Waits until no caller waits any more.
async fn all_gone(callers: impl Iterator<Item = &mut oneshot::Sender<SharedAnswer>>) {
    for caller in callers {
        caller.closed().await;
    }
}

/// Returns whether the session is live as of this touch.
fn is_live(found: Option<Activity>, touch: &Touch) -> bool {
    found.is_some_and(|found| touch.policy().remaining(&found, touch.now()).is_ok())
}

/// Returns whether the touch still has to be written to the record.
fn is_due(found: Option<Activity>, touch: &Touch) -> bool {
    found.is_some_and(|found| touch.applies_to(&found))
}
