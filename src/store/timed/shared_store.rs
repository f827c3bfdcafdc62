//! The measured store as a store that several nodes share.

use std::time::Duration;

use super::timed_store::TimedStore;
use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::change_log::{Changes, LogPosition};
use crate::store::event::store_event::TimedOperation;
use crate::store::shared_store::{SharedStore, TouchAnswer};

impl<S: SharedStore> SharedStore for TimedStore<S> {
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Self::Future<Vec<TouchAnswer<Self::Error>>> {
        self.timed(TimedOperation::TouchMany, |store| store.touch_many(touches))
    }

    fn changes_since(&self, position: Option<LogPosition>) -> Self::Future<Changes> {
        self.timed(TimedOperation::ChangesSince, |store| {
            store.changes_since(position)
        })
    }

    fn read_changes_every(&self) -> Duration {
        self.inner().read_changes_every()
    }
}
