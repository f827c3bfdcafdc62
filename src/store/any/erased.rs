//! What is left of a store's type?

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::AnyStore;
use crate::activity::Activity;
use crate::clock::{Clock, Timestamp};
use crate::key::SessionKey;
use crate::store::BoxError;
use crate::store::shared::{Revocations, SharedStore};
use crate::touch::Touch;

pub(super) type Answer<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A shared store whose type nobody needs to know.
pub(super) trait Erased: Send + Sync {
    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()>;
    fn begin(&self, key: SessionKey, activity: Activity, keep_until: Timestamp)
    -> Answer<Activity>;
    fn load(&self, key: SessionKey) -> Answer<Option<Activity>>;
    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>>;
    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<bool>;
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Answer<()>;
    fn revocations(&self) -> Revocations;
    fn clock(&self) -> Answer<Arc<dyn Clock>>;
}

/// How a store makes its clock.
type MakeClock<S> = fn(S) -> Answer<Arc<dyn Clock>>;

struct Known<S> {
    store: S,
    clock: MakeClock<S>,
}

impl AnyStore {
    pub(super) fn erase<S: SharedStore>(kind: &'static str, store: S, clock: MakeClock<S>) -> Self {
        Self {
            store: Arc::new(Known { store, clock }),
            kind,
        }
    }
}

impl<S: SharedStore> Erased for Known<S> {
    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        boxed(self.store.create(key, activity, keep_until))
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        boxed(self.store.begin(key, activity, keep_until))
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        boxed(self.store.load(key))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        boxed(self.store.touch(key, touch))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<bool> {
        boxed(self.store.revoke(key, keep_until))
    }

    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Answer<()> {
        boxed(self.store.touch_many(touches))
    }

    fn revocations(&self) -> Revocations {
        self.store.revocations()
    }

    fn clock(&self) -> Answer<Arc<dyn Clock>> {
        (self.clock)(self.store.clone())
    }
}

/// The clock that this makes, whatever it is.
pub(super) fn some_clock<C: Clock, E: Into<BoxError>>(
    clock: impl Future<Output = Result<C, E>> + Send + 'static,
) -> Answer<Arc<dyn Clock>> {
    Box::pin(async move {
        let clock: Arc<dyn Clock> = Arc::new(clock.await.map_err(Into::<BoxError>::into)?);
        Ok(clock)
    })
}

fn boxed<T, E: Into<BoxError>>(
    answer: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Answer<T> {
    Box::pin(async move { answer.await.map_err(Into::into) })
}
