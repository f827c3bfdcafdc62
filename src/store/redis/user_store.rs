//! Whose sessions are, for the store in Redis.

use std::sync::Arc;

use super::redis_store::RedisStore;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::user_store::UserStore;

impl UserStore for RedisStore {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> Self::Future<()> {
        let operations = Arc::clone(self.operations());
        Box::pin(async move {
            operations
                .in_time(|| operations.link(user, &link, keep_until))
                .await
        })
    }

    fn links_of(&self, user: UserKey) -> Self::Future<Vec<UserLink>> {
        let operations = Arc::clone(self.operations());
        Box::pin(async move { operations.in_time(|| operations.links_of(user)).await })
    }

    fn link_of(&self, session: SessionKey) -> Self::Future<Option<(UserKey, UserLink)>> {
        let operations = Arc::clone(self.operations());
        Box::pin(async move { operations.in_time(|| operations.link_of(session)).await })
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> Self::Future<()> {
        let operations = Arc::clone(self.operations());
        Box::pin(async move {
            operations
                .in_time(|| operations.unlink(user, &sessions))
                .await
        })
    }
}
