//! A shared store whose type is erased.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::port::Clock;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::session::user::{UserKey, UserLink};
use crate::store::activity_store::BoxError;
use crate::store::change_log::{Changes, LogPosition};
use crate::store::shared_store::{SharedStore, TouchAnswer};
use crate::store::user_store::UserStore;

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A shared store behind a pointer, with the clock that it follows.
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
    fn change(&self, key: SessionKey, change: Change) -> BoxFuture<Option<Activity>>;
    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> BoxFuture<Option<Activity>>;
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> BoxFuture<Vec<TouchAnswer<BoxError>>>;
    fn changes_since(&self, position: Option<LogPosition>) -> BoxFuture<Changes>;
    fn read_changes_every(&self) -> Duration;
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> BoxFuture<()>;
    fn links_of(&self, user: UserKey) -> BoxFuture<Vec<UserLink>>;
    fn link_of(&self, session: SessionKey) -> BoxFuture<Option<(UserKey, UserLink)>>;
    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> BoxFuture<()>;
    fn load_many(&self, sessions: Vec<SessionKey>) -> BoxFuture<Vec<(SessionKey, Activity)>>;
    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> BoxFuture<Vec<(SessionKey, Activity)>>;
    fn clock(&self) -> BoxFuture<Arc<dyn Clock>>;
    fn kind(&self) -> &'static str;
}

/// Creates the clock that follows a store.
type MakeClock<S> = fn(S) -> BoxFuture<Arc<dyn Clock>>;

struct Typed<S> {
    store: S,
    kind: &'static str,
    clock: MakeClock<S>,
}

/// Erases the type of a store.
pub(super) fn erase<S: SharedStore + UserStore>(
    kind: &'static str,
    store: S,
    clock: MakeClock<S>,
) -> Arc<dyn Erased> {
    Arc::new(Typed { store, kind, clock })
}

impl<S: SharedStore + UserStore> Erased for Typed<S> {
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

    fn change(&self, key: SessionKey, change: Change) -> BoxFuture<Option<Activity>> {
        boxed(self.store.change(key, change))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> BoxFuture<Option<Activity>> {
        boxed(self.store.revoke(key, keep_until))
    }

    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> BoxFuture<Vec<TouchAnswer<BoxError>>> {
        let touched = self.store.touch_many(touches);
        boxed(async move {
            let found = touched.await?.into_iter();
            let found = found.map(|(key, found)| (key, found.map_err(Into::into)));
            Ok::<_, S::Error>(found.collect())
        })
    }

    fn changes_since(&self, position: Option<LogPosition>) -> BoxFuture<Changes> {
        boxed(self.store.changes_since(position))
    }

    fn read_changes_every(&self) -> Duration {
        self.store.read_changes_every()
    }

    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> BoxFuture<()> {
        boxed(self.store.link(user, link, keep_until))
    }

    fn links_of(&self, user: UserKey) -> BoxFuture<Vec<UserLink>> {
        boxed(self.store.links_of(user))
    }

    fn link_of(&self, session: SessionKey) -> BoxFuture<Option<(UserKey, UserLink)>> {
        boxed(self.store.link_of(session))
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> BoxFuture<()> {
        boxed(self.store.unlink(user, sessions))
    }

    fn load_many(&self, sessions: Vec<SessionKey>) -> BoxFuture<Vec<(SessionKey, Activity)>> {
        boxed(self.store.load_many(sessions))
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> BoxFuture<Vec<(SessionKey, Activity)>> {
        boxed(self.store.revoke_many(sessions, keep_until))
    }

    fn clock(&self) -> BoxFuture<Arc<dyn Clock>> {
        (self.clock)(self.store.clone())
    }

    fn kind(&self) -> &'static str {
        self.kind
    }
}

/// Erases the types of a clock and its error.
pub(super) fn erase_clock<C: Clock, E: Into<BoxError>>(
    clock: impl Future<Output = Result<C, E>> + Send + 'static,
) -> BoxFuture<Arc<dyn Clock>> {
    Box::pin(async move {
        let clock: Arc<dyn Clock> = Arc::new(clock.await.map_err(Into::<BoxError>::into)?);
        Ok(clock)
    })
}

fn boxed<T, E: Into<BoxError>>(
    operation: impl Future<Output = Result<T, E>> + Send + 'static,
) -> BoxFuture<T> {
    Box::pin(async move { operation.await.map_err(Into::into) })
}
