//! Whose sessions are, for the store that a URL names.

use super::any_store::AnyStore;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::user_store::UserStore;

impl UserStore for AnyStore {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> Self::Future<()> {
        self.erased().link(user, link, keep_until)
    }

    fn links_of(&self, user: UserKey) -> Self::Future<Vec<UserLink>> {
        self.erased().links_of(user)
    }

    fn link_of(&self, session: SessionKey) -> Self::Future<Option<(UserKey, UserLink)>> {
        self.erased().link_of(session)
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> Self::Future<()> {
        self.erased().unlink(user, sessions)
    }

    fn load_many(&self, sessions: Vec<SessionKey>) -> Self::Future<Vec<(SessionKey, Activity)>> {
        self.erased().load_many(sessions)
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> Self::Future<Vec<(SessionKey, Activity)>> {
        self.erased().revoke_many(sessions, keep_until)
    }
}
