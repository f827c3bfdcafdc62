//! What is left of a store's type?

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::clock::Clock;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::BoxError;
use crate::store::shared_store::{Revocations, SharedStore};

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A shared store whose type nobody needs to know.
pub(super) trait Erased: Send + Sync {
    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> BoxFuture<()>;
    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> BoxFuture<Activity>;
    fn load(&self, key: SessionKey) -> BoxFuture<Option<Activity>>;
    fn touch(&self, key: SessionKey, touch: Touch) -> BoxFuture<Option<Activity>>;
    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> BoxFuture<bool>;
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> BoxFuture<()>;
    fn revocations(&self) -> Revocations;
    fn clock(&self) -> BoxFuture<Arc<dyn Clock>>;
    fn kind(&self) -> &'static str;
}

/// How a store makes its clock.
type MakeClock<S> = fn(S) -> BoxFuture<Arc<dyn Clock>>;

struct Known<S> {
    store: S,
    kind: &'static str,
    clock: MakeClock<S>,
}

/// Hides the type of a store.
pub(super) fn erase<S: SharedStore>(
    kind: &'static str,
    store: S,
    clock: MakeClock<S>,
) -> Arc<dyn Erased> {
    Arc::new(Known { store, kind, clock })
}

impl<S: SharedStore> Erased for Known<S> {
    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> BoxFuture<()> {
        boxed(self.store.create(key, activity, keep_until))
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> BoxFuture<Activity> {
        boxed(self.store.begin(key, activity, keep_until))
    }

    fn load(&self, key: SessionKey) -> BoxFuture<Option<Activity>> {
        boxed(self.store.load(key))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> BoxFuture<Option<Activity>> {
        boxed(self.store.touch(key, touch))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> BoxFuture<bool> {
        boxed(self.store.revoke(key, keep_until))
    }

    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> BoxFuture<()> {
        boxed(self.store.touch_many(touches))
    }

    fn revocations(&self) -> Revocations {
        self.store.revocations()
    }

    fn clock(&self) -> BoxFuture<Arc<dyn Clock>> {
        (self.clock)(self.store.clone())
    }

    fn kind(&self) -> &'static str {
        self.kind
    }
}

/// The clock that this makes, whatever it is.
pub(super) fn some_clock<C: Clock, E: Into<BoxError>>(
    clock: impl Future<Output = Result<C, E>> + Send + 'static,
) -> BoxFuture<Arc<dyn Clock>> {
    Box::pin(async move {
        let clock: Arc<dyn Clock> = Arc::new(clock.await.map_err(Into::<BoxError>::into)?);
        Ok(clock)
    })
}

fn boxed<T, E: Into<BoxError>>(
    answer: impl Future<Output = Result<T, E>> + Send + 'static,
) -> BoxFuture<T> {
    Box::pin(async move { answer.await.map_err(Into::into) })
}
