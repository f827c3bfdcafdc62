//! How is the shared store asked?

use std::pin::pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::cache::Cache;
use super::shard::{Advice, Place};
use crate::session::activity::Activity;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::BoxError;
use crate::store::shared_store::SharedStore;

impl<R: SharedStore> Cache<R> {
    /// Lets the shared store touch the session. Answers from memory if the shared store fails and what is known may
    /// still be given.
    pub(super) async fn ask(
        self: Arc<Self>,
        place: Place,
        touch: Touch,
    ) -> Result<Option<Activity>, BoxError> {
        let ticket = self.shard(place).ticket(place);
        let mut question = pin!(async {
            let answer = self.shared.touch(place.key, touch).await;
            answer.map_err(Into::<BoxError>::into)
        });
        let in_time = timeout(self.settings.shared_timeout, &mut question).await;
        if !matches!(in_time, Ok(Ok(_))) {
            self.note_failure();
            if let Advice::Answer(known) | Advice::AnswerAndCheck(known) =
                self.consult_in_need(place, &touch)
            {
                return Ok(Some(known));
            }
        }
        let found = match in_time {
            Ok(answer) => answer?,
            // There is nothing else to answer with, so it is the caller who decides how long to wait.
            Err(_) => question.await?,
        };
        self.note_success();
        let shard = self.shard(place);
        Ok(shard.learn(place, &ticket, found, &touch, self.rehash()))
    }

    /// Asks the shared store for the record, and adds what it does not know yet.
    pub(super) async fn load(&self, place: Place) -> Result<Option<Activity>, BoxError> {
        let shard = self.shard(place);
        let ticket = shard.ticket(place);
        let found = self.shared.load(place.key).await;
        let found = found.map_err(Into::<BoxError>::into)?;
        Ok(found.map(|found| shard.with_gathered(place, &ticket, found)))
    }

    /// Lets the shared store begin the session, and adds what it does not know yet of one that is there already.
    pub(super) async fn begin(
        &self,
        place: Place,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Result<Activity, BoxError> {
        let shard = self.shard(place);
        let ticket = shard.ticket(place);
        let begun = self.shared.begin(place.key, activity, keep_until).await;
        let begun = begun.map_err(Into::<BoxError>::into)?;
        Ok(shard.with_gathered(place, &ticket, begun))
    }

    /// Asks the shared store without anybody waiting for it.
    pub(super) fn check_in_background(self: &Arc<Self>, place: Place, touch: Touch) {
        let Ok(permit) = Arc::clone(&self.checks).try_acquire_owned() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let cache = Arc::clone(self);
        runtime.spawn(async move {
            cache.check(place, touch).await;
            drop(permit);
        });
    }

    /// Asks for the record as it is: what is due is gathered already.
    async fn check(&self, place: Place, touch: Touch) {
        let shard = self.shard(place);
        let ticket = shard.ticket(place);
        let answer = self.shared.load(place.key);
        let Ok(Ok(found)) = timeout(self.settings.shared_timeout, answer).await else {
            return self.note_failure();
        };
        self.note_success();
        shard.learn(place, &ticket, found, &touch.passive(), self.rehash());
    }
}
