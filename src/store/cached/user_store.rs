//! Whose sessions are, behind a near cache: every question goes to the shared store.

use std::collections::HashMap;
use std::sync::Arc;

use super::cache::ForgetOnDrop;
use super::cached_store::CachedStore;
use super::future::CachedFuture;
use super::shard::HashedKey;
use crate::session::activity::Activity;
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

    fn load_many(&self, sessions: Vec<SessionKey>) -> CachedFuture<Vec<(SessionKey, Activity)>> {
        let cache = self.cache();
        CachedFuture::boxed(async move {
            let asked = sessions.iter().map(|session| {
                let key = cache.hashed(*session);
                (*session, (key, cache.shard(key).ticket(key)))
            });
            let asked: HashMap<_, _> = asked.collect();
            let found = cache.shared.load_many(sessions).await.map_err(Into::into)?;
            let with_gathered = |(session, found)| {
                let (key, ticket) = asked.get(&session)?;
                let found = cache.shard(*key).with_gathered(*key, ticket, found);
                Some((session, found))
            };
            Ok(found.into_iter().filter_map(with_gathered).collect())
        })
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> CachedFuture<Vec<(SessionKey, Activity)>> {
        let cache = self.cache();
        CachedFuture::boxed(async move {
            let keys: Vec<_> = sessions.iter().map(|key| cache.hashed(*key)).collect();
            let forget = |key: &HashedKey| ForgetOnDrop::new(Arc::clone(&cache), *key);
            let _forget: Vec<_> = keys.iter().map(forget).collect();
            let revoked = cache.shared.revoke_many(sessions, keep_until).await;
            for key in keys {
                cache.shard(key).drop_activity(key);
            }
            revoked.map_err(Into::into)
        })
    }
}
