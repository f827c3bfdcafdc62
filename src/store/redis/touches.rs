//! Touches: one, a batch in one script, or many one by one.

use std::sync::Arc;

use redis::{ErrorKind, RedisError, Value};
use tokio::task::JoinSet;

use super::batcher::BATCH_SIZE;
use super::call::Call;
use super::codec::{LoadResult, read, split_refusal};
use super::error::RedisStoreError;
use super::operations::Operations;
use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::shared_store::TouchAnswer;

/// How many touches are sent at once where each has a script of its own, which holds up no others.
///
/// A server of a Cluster that hangs costs one deadline for so many touches. More of them could take
/// longer than a deadline on a slow machine.
const AT_ONCE: usize = 512;

/// The outcome of one touch.
pub(super) struct Touched {
    /// The record as it was before the touch.
    pub(super) found: LoadResult,
    /// Why the server refused to move last activity in the record that it read.
    pub(super) refusal: Option<RedisStoreError>,
}

impl Touched {
    fn failed(error: RedisStoreError) -> Self {
        Self {
            found: Err(error),
            refusal: None,
        }
    }
}

impl Operations {
    pub(super) async fn touch(&self, key: SessionKey, touch: &Touch) -> LoadResult {
        // Without `touch_every` nearly every touch is due, and reading first would only add a round
        // trip.
        if !touch.policy().touch_every().is_zero() {
            let found = self.load(key).await?;
            if !found.is_some_and(|found| touch.applies_to(&found)) {
                return Ok(found);
            }
        }
        // The script checks again, because the record may have changed in between.
        self.touch_alone(key, *touch).await.found
    }

    /// Touches records, and answers for each within the deadline. An error of one does not fail the
    /// others.
    pub(super) async fn touch_each(
        self: &Arc<Self>,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Result<Vec<Touched>, RedisStoreError> {
        if touches.is_empty() {
            return Ok(Vec::new());
        }
        if self.allows_many_keys() {
            let touched = self.by_deadline(|| self.touch_in_one_script(&touches));
            match touched.await {
                // A Cluster is behind the address.
                Err(error) if error.is_cross_slot() => self.allow_one_key(),
                answer => return answer,
            }
        }
        Ok(self.touch_one_by_one(touches).await)
    }

    /// Touches records with one script each. They are sent together, so they still share packets.
    ///
    /// Each has a deadline of its own: one server of a Cluster that hangs does not fail the records
    /// of the others.
    async fn touch_one_by_one(self: &Arc<Self>, touches: Vec<(SessionKey, Touch)>) -> Vec<Touched> {
        let mut all: Vec<_> = touches.iter().map(|_| Touched::failed(no_list())).collect();
        let mut under_way = JoinSet::new();
        for (index, (key, touch)) in touches.into_iter().enumerate() {
            let operations = Arc::clone(self);
            under_way.spawn(async move {
                let touched = operations
                    .by_deadline(|| async { Ok(operations.touch_alone(key, touch).await) });
                (index, touched.await.unwrap_or_else(Touched::failed))
            });
        }
        while let Some(Ok((index, touched))) = under_way.join_next().await {
            if let Some(place) = all.get_mut(index) {
                *place = touched;
            }
        }
        all
    }

    async fn touch_alone(&self, key: SessionKey, touch: Touch) -> Touched {
        match self.touch_in_one_script(&[(key, touch)]).await {
            Ok(mut touched) => touched.pop().unwrap_or_else(|| Touched::failed(no_list())),
            Err(error) => Touched::failed(error),
        }
    }

    async fn touch_in_one_script(
        &self,
        touches: &[(SessionKey, Touch)],
    ) -> Result<Vec<Touched>, RedisStoreError> {
        let (names, touches): (Vec<_>, Vec<_>) = touches
            .iter()
            .map(|(key, touch)| (self.name(*key), *touch))
            .unzip();
        let keys: Vec<&str> = names.iter().map(String::as_str).collect();
        let Value::Array(answers) = self.script(&keys, &Call::Touch(&touches)).await? else {
            return Err(no_list());
        };
        let answers = keys.iter().zip(&answers);
        Ok(answers
            .map(|(key, answer)| self.touched(key, answer))
            .collect())
    }

    fn touched(&self, key: &str, answer: &Value) -> Touched {
        let (record, refusal) = split_refusal(answer);
        let refusal = refusal.map(|refusal| self.checked_error(refusal));
        match refusal {
            // Nothing was read, or it was read from a replica, which may be behind.
            Some(refusal) if *record == Value::Nil || refusal.is_unreachable() => {
                Touched::failed(refusal)
            }
            refusal => Touched {
                found: read(key, record),
                refusal,
            },
        }
    }

    /// Touches records, and returns those that it found and those that it could not touch. A
    /// malformed record is skipped: it would fail again however often the touches are repeated.
    pub(super) async fn touch_many(
        self: Arc<Self>,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Result<Vec<TouchAnswer<RedisStoreError>>, RedisStoreError> {
        let mut all = Vec::with_capacity(touches.len());
        let size = match self.allows_many_keys() {
            true => BATCH_SIZE,
            false => AT_ONCE,
        };
        for batch in touches.chunks(size) {
            let permit = self.by_deadline(|| async { Ok(self.permit().await) });
            let _permit = permit.await?;
            let touched = self.touch_each(batch.to_vec()).await?;
            for ((key, _), touched) in batch.iter().zip(touched) {
                let answer = match (touched.found, touched.refusal) {
                    (Err(error), None) if error.is_malformed() => continue,
                    (_, Some(error)) | (Err(error), None) => Err(error),
                    (Ok(Some(found)), None) => Ok(found),
                    (Ok(None), None) => continue,
                };
                all.push((*key, answer));
            }
        }
        Ok(all)
    }
}

fn no_list() -> RedisStoreError {
    RedisError::from((
        ErrorKind::UnexpectedReturnType,
        "the script did not answer with a list",
    ))
    .into()
}
