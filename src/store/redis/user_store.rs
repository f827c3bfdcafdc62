//! Whose sessions are, for the store in Redis.

use std::sync::Arc;

use super::error::RedisStoreError;
use super::redis_store::RedisStore;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::side_by_side::side_by_side;
use crate::store::user_store::UserStore;

/// How many operations on records are under way at once. They share a connection.
const MOST_AT_ONCE: usize = 64;

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
                .in_time(|| operations.remove_from_list(user, &sessions))
                .await?;
            let unlink = |session| {
                let operations = Arc::clone(&operations);
                Box::pin(async move {
                    operations
                        .in_time(|| operations.unlink(user, session))
                        .await
                })
            };
            side_by_side(sessions.into_iter().map(unlink).collect(), MOST_AT_ONCE).await?;
            Ok(())
        })
    }

    fn load_many(&self, sessions: Vec<SessionKey>) -> Self::Future<Vec<(SessionKey, Activity)>> {
        let operations = Arc::clone(self.operations());
        Box::pin(async move {
            let load = |session| {
                let operations = Arc::clone(&operations);
                Box::pin(async move {
                    match operations.in_time(|| operations.load(session)).await {
                        Err(error) if error.is_malformed() => Ok::<_, RedisStoreError>(None),
                        found => Ok(found?.map(|found| (session, found))),
                    }
                })
            };
            let found =
                side_by_side(sessions.into_iter().map(load).collect(), MOST_AT_ONCE).await?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> Self::Future<Vec<(SessionKey, Activity)>> {
        let operations = Arc::clone(self.operations());
        Box::pin(async move {
            let revoke = |session| {
                let operations = Arc::clone(&operations);
                Box::pin(async move {
                    let before = operations.revoke(session, keep_until).await?;
                    Ok::<_, RedisStoreError>(before.map(|before| (session, before)))
                })
            };
            let found =
                side_by_side(sessions.into_iter().map(revoke).collect(), MOST_AT_ONCE).await?;
            Ok(found.into_iter().flatten().collect())
        })
    }
}
