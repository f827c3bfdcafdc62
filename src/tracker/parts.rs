//! What a tracker is made of, with the type of its store hidden.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::port::Clock;
use crate::clock::sleep::Sleep;
use crate::observe::event::{Cause, StoreOperation};
use crate::observe::observers::Observers;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::store::activity_store::ActivityStore;
use crate::store::detached::Detached;
use crate::store::error::StoreError;
use crate::store::lifecycle;
use crate::store::timeout::WithTimeout;
use crate::store::visitor;
use crate::tracker::box_future::BoxFuture;
use crate::tracker::users::UserLinks;

/// The parts that a tracker is made of. The layer's configuration has them, so a handle is one more
/// reference to that.
pub(crate) trait TrackerParts: Send + Sync + 'static {
    type Store: ActivityStore;

    fn parts(&self) -> Parts<'_, Self::Store>;
}

pub(crate) struct Parts<'a, St> {
    pub(crate) policy: &'a Policy,
    pub(crate) store: &'a St,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) observers: &'a Observers,
    /// Within which time a stream or a socket notices that its session is over.
    pub(crate) look_every: Duration,
    pub(crate) users: Option<&'a UserLinks>,
    /// Whether the store also holds records of visitors who have not logged in.
    pub(crate) has_visitors: bool,
}

/// The default of [`Parts::look_every`].
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);

impl<'a, St: ActivityStore> Parts<'a, St> {
    /// Gives a call of the store the policy's time limit, and reports its failure.
    fn call<T: Send + 'static>(
        &self,
        operation: StoreOperation,
        call: St::Future<T>,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<'a, T, St> {
        let call = WithTimeout::new(call, self.policy.store_timeout());
        let observers = self.observers;
        async move {
            let result = call.await;
            if let Err(error) = &result {
                observers.store_failed(operation, Cause::Tracker, error);
            }
            result
        }
    }
}

/// A tracker whose store's type is hidden, so that handlers need not name it.
pub(super) trait DynTracker: Send + Sync {
    fn policy(&self) -> &Policy;
    fn now(&self) -> Timestamp;
    fn look_every(&self) -> Duration;
    fn sleep(&self, time: Duration) -> Sleep;
    fn users(&self) -> Option<&UserLinks>;
    fn store_failed(&self, operation: StoreOperation, error: &StoreError);
    /// Reports that a session was ended.
    fn ended(&self, key: SessionKey);
    fn create(&self, key: SessionKey, activity: Activity) -> BoxFuture<'_, ()>;
    fn load(&self, key: SessionKey) -> BoxFuture<'_, Option<Activity>>;
    /// Asks for the record as a passive request does, so that a near cache can answer.
    fn look(self: Arc<Self>, key: SessionKey) -> BoxFuture<'static, Option<Activity>>;
    fn touch(&self, key: SessionKey, now: Timestamp) -> BoxFuture<'_, Option<Activity>>;
    fn change(&self, key: SessionKey, change: Change) -> BoxFuture<'_, Option<Activity>>;
    fn end(&self, key: SessionKey) -> BoxFuture<'_, bool>;
}

impl<T: TrackerParts> DynTracker for T {
    fn policy(&self) -> &Policy {
        self.parts().policy
    }

    fn now(&self) -> Timestamp {
        self.parts().clock.now()
    }

    fn look_every(&self) -> Duration {
        self.parts().look_every
    }

    fn sleep(&self, time: Duration) -> Sleep {
        self.parts().clock.sleep(time)
    }

    fn users(&self) -> Option<&UserLinks> {
        self.parts().users
    }

    fn store_failed(&self, operation: StoreOperation, error: &StoreError) {
        let observers = self.parts().observers;
        observers.store_failed(operation, Cause::Tracker, error);
    }

    fn ended(&self, key: SessionKey) {
        self.parts().observers.ended(key, Cause::Tracker);
    }

    fn create(&self, key: SessionKey, activity: Activity) -> BoxFuture<'_, ()> {
        let parts = self.parts();
        let keep_until = parts.policy.keep_until(&activity);
        Box::pin(async move {
            let (store, policy, now) = (parts.store, parts.policy, activity.last_activity());
            if parts.has_visitors {
                visitor::prepare_log_in(store, policy, key, now).await?;
            }
            let create = store.create(key, activity, keep_until);
            parts.call(StoreOperation::LogIn, create).await?;
            if parts.has_visitors {
                visitor::end(store, policy, key, now).await?;
            }
            parts.observers.began(key, Cause::Tracker);
            Ok(())
        })
    }

    fn load(&self, key: SessionKey) -> BoxFuture<'_, Option<Activity>> {
        let parts = self.parts();
        Box::pin(parts.call(StoreOperation::Check, parts.store.load(key)))
    }

    fn look(self: Arc<Self>, key: SessionKey) -> BoxFuture<'static, Option<Activity>> {
        Box::pin(async move {
            let parts = self.parts();
            let touch = parts.policy.touch(parts.clock.now()).passive();
            let look = parts.store.touch(key, touch);
            parts.call(StoreOperation::Check, look).await
        })
    }

    fn touch(&self, key: SessionKey, now: Timestamp) -> BoxFuture<'_, Option<Activity>> {
        let parts = self.parts();
        let touch = parts.store.touch(key, parts.policy.touch(now));
        Box::pin(parts.call(StoreOperation::Activity, touch))
    }

    fn change(&self, key: SessionKey, change: Change) -> BoxFuture<'_, Option<Activity>> {
        let parts = self.parts();
        Box::pin(parts.call(StoreOperation::LogIn, parts.store.change(key, change)))
    }

    fn end(&self, key: SessionKey) -> BoxFuture<'_, bool> {
        let parts = self.parts();
        let (store, policy, now) = (parts.store.clone(), *parts.policy, parts.clock.now());
        let observers = parts.observers.clone();
        let has_visitors = parts.has_visitors;
        // It may outlive its caller, so it reports by itself.
        Box::pin(Detached::new(async move {
            let before = lifecycle::end(&store, &policy, key, now).await;
            match &before {
                Ok(Some(before)) if !before.is_revoked() => observers.ended(key, Cause::Tracker),
                Ok(_) => {}
                Err(error) => {
                    observers.store_failed(StoreOperation::LogOut, Cause::Tracker, error);
                }
            }
            let was_known = before?.is_some();
            if has_visitors {
                visitor::end(&store, &policy, key, now).await?;
            }
            Ok(was_known)
        }))
    }
}
