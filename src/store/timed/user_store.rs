//! The measured store as a store that knows whose sessions are.

use super::timed_store::TimedStore;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::event::store_event::TimedOperation;
use crate::store::user_store::UserStore;

impl<S: UserStore> UserStore for TimedStore<S> {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> Self::Future<()> {
        self.timed(TimedOperation::Link, |store| {
            store.link(user, link, keep_until)
        })
    }

    fn links_of(&self, user: UserKey) -> Self::Future<Vec<UserLink>> {
        self.timed(TimedOperation::LinksOf, |store| store.links_of(user))
    }

    fn link_of(&self, session: SessionKey) -> Self::Future<Option<(UserKey, UserLink)>> {
        self.timed(TimedOperation::LinkOf, |store| store.link_of(session))
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> Self::Future<()> {
        self.timed(TimedOperation::Unlink, |store| store.unlink(user, sessions))
    }

    fn load_many(&self, sessions: Vec<SessionKey>) -> Self::Future<Vec<(SessionKey, Activity)>> {
        self.timed(TimedOperation::LoadMany, |store| store.load_many(sessions))
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> Self::Future<Vec<(SessionKey, Activity)>> {
        self.timed(TimedOperation::RevokeMany, |store| {
            store.revoke_many(sessions, keep_until)
        })
    }
}
