//! An id that a response gives to a visitor who has not logged in.

use crate::middleware::config::Config;
use crate::middleware::state::SessionState;
use crate::middleware::visitors::Visitors;
use crate::observe::event::{Cause, StoreOperation};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::store::activity_store::ActivityStore;

/// An id that a response gives to a visitor who has not logged in.
pub(super) struct NewVisitor {
    key: SessionKey,
    activity: Activity,
}

impl NewVisitor {
    /// A new id of a visitor is as old as the one that was presented.
    pub(super) fn new<St>(
        config: &Config<St>,
        visitors: &Visitors,
        key: SessionKey,
        state: &SessionState,
    ) -> Self {
        let now = config.clock.now();
        let created_at = match state {
            SessionState::Visitor { activity, .. } => activity.created_at(),
            _ => now,
        };
        let activity = Activity::began(created_at)
            .active_at(now)
            .with_limits(visitors.limits());
        Self { key, activity }
    }

    pub(super) fn key(&self) -> SessionKey {
        self.key
    }

    /// Begins the visitor's record. If that fails, the next request presents an unknown id, and the
    /// application gives the visitor another one.
    pub(super) async fn begin<St: ActivityStore>(self, config: &Config<St>) {
        let keep_until = config.policy.keep_until(&self.activity);
        let key = self.key.of_visitor();
        let begin = config.store.begin(key, self.activity, keep_until);
        if let Err(error) = config.with_timeout(begin).await {
            let operation = StoreOperation::LogIn;
            let observers = &config.observers;
            observers.store_failed(operation, Cause::Response, &error);
        }
    }
}
