//! Whose sessions are, behind a near cache: every question goes to the shared store.

use super::cached_store::CachedStore;
use super::future::CachedFuture;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::shared_store::SharedStore;
use crate::store::user_store::UserStore;

impl<R: SharedStore + UserStore> UserStore for CachedStore<R> {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> CachedFuture<()> {
        CachedFuture::passed_on(self.shared().link(user, link, keep_until))
    }

    fn links_of(&self, user: UserKey) -> CachedFuture<Vec<UserLink>> {
        CachedFuture::passed_on(self.shared().links_of(user))
    }

    fn link_of(&self, session: SessionKey) -> CachedFuture<Option<(UserKey, UserLink)>> {
        CachedFuture::passed_on(self.shared().link_of(session))
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> CachedFuture<()> {
        CachedFuture::passed_on(self.shared().unlink(user, sessions))
    }
}
