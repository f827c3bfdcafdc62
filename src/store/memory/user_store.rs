//! Whose sessions are, for the store in memory.

use std::future::ready;

use super::memory_store::MemoryStore;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::activity_store::ActivityStore;
use crate::store::user_store::UserStore;

impl UserStore for MemoryStore {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> Self::Future<()> {
        self.links().insert(user, link, keep_until, self.capacity());
        ready(Ok(()))
    }

    fn links_of(&self, user: UserKey) -> Self::Future<Vec<UserLink>> {
        ready(Ok(self.links().of_user(user)))
    }

    fn link_of(&self, session: SessionKey) -> Self::Future<Option<(UserKey, UserLink)>> {
        ready(Ok(self.links().of_session(session)))
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> Self::Future<()> {
        self.links().remove(user, &sessions);
        ready(Ok(()))
    }

    fn load_many(&self, sessions: Vec<SessionKey>) -> Self::Future<Vec<(SessionKey, Activity)>> {
        let load = |session| {
            let Ok(found) = self.load(session).into_inner();
            found.map(|found| (session, found))
        };
        ready(Ok(sessions.into_iter().filter_map(load).collect()))
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> Self::Future<Vec<(SessionKey, Activity)>> {
        let revoke = |session| {
            let Ok(before) = self.revoke(session, keep_until).into_inner();
            before.map(|before| (session, before))
        };
        ready(Ok(sessions.into_iter().filter_map(revoke).collect()))
    }
}
