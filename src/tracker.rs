//! The application's handles: the tracker of all sessions, and the handle of one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::observe::event::{Cause, StoreOperation};
use crate::observe::observers::Observers;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::session::verdict::Verdict;
use crate::store::activity_store::ActivityStore;
use crate::store::detached::Detached;
use crate::store::error::StoreError;
use crate::store::lifecycle;
use crate::store::timeout::WithTimeout;

/// A handle that begins, checks and ends sessions from anywhere: a log-in handler, an
/// administrator's page, a job.
///
/// An application that keeps its session id in a cookie needs none for log-in and log-out, since
/// [`CookieId`](crate::CookieId) watches them. An application that hands out tokens calls
/// [`start`](Tracker::start) when it does, unless the policy [begins unknown
/// ids](crate::PolicyBuilder::begin_unknown).
///
/// [`LoginTimeoutLayer::tracker`](crate::LoginTimeoutLayer::tracker) returns the layer's own. A
/// session is named by its id, in whichever [spelling](SessionKey#spellings-of-one-id) the
/// application has it, or by its [`SessionKey`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use tower_login_timeout::{ManualClock, MemoryStore, Policy, Tracker, Verdict};
///
/// let clock = ManualClock::new();
/// let tracker = Tracker::new(Policy::default(), MemoryStore::new(), clock.clone());
/// tracker.start("sesame").await?;
/// assert!(matches!(tracker.check("sesame").await?, Verdict::Active { .. }));
/// assert!(tracker.revoke("sesame").await?);
/// assert!(matches!(tracker.touch("sesame").await?, Verdict::Expired(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tracker(Arc<dyn DynTracker>);

impl Tracker {
    /// Creates a tracker of the sessions in this store.
    ///
    /// Of its events only the feature `tracing` is told. To observe them, use the [tracker of a
    /// layer](crate::LoginTimeoutLayer::tracker), which has the layer's observers.
    #[must_use]
    pub fn new<St: ActivityStore>(policy: Policy, store: St, clock: impl Clock) -> Self {
        Self::of(Arc::new(Standalone {
            policy,
            store,
            clock,
            observers: Observers::built_in(),
        }))
    }

    pub(crate) fn of(tracking: Arc<impl TrackerParts>) -> Self {
        Self(tracking)
    }

    /// Begins a session with this id, now, with the policy's limits.
    ///
    /// It replaces the record of the id, if there is one. Nothing else brings back an id that has
    /// ended.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn start(&self, session: impl Into<SessionKey> + Send) -> Result<(), StoreError> {
        self.start_with(session, Limits::default()).await
    }

    /// Begins a session with this id, now, with limits of its own. It replaces the record of the
    /// id, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn start_with(
        &self,
        session: impl Into<SessionKey> + Send,
        limits: Limits,
    ) -> Result<(), StoreError> {
        let activity = Activity::began(self.now()).with_limits(limits);
        self.0.create(session.into(), activity).await
    }

    /// Sets the limits of a live session, whose absolute clock runs on. Returns whether the session
    /// is live.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn set_limits(
        &self,
        session: impl Into<SessionKey> + Send,
        limits: Limits,
    ) -> Result<bool, StoreError> {
        let change = Change::set_limits(*self.policy(), self.now(), limits);
        let before = self.0.change(session.into(), change).await?;
        Ok(before.is_some_and(|before| change.applies_to(&before)))
    }

    /// Returns whether the session may act. This is no activity.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn check(
        &self,
        session: impl Into<SessionKey> + Send,
    ) -> Result<Verdict, StoreError> {
        let activity = self.0.load(session.into()).await?;
        Ok(self.policy().decide(activity, self.now()))
    }

    /// Returns whether the session may act, and counts as activity if so. It never begins a
    /// session.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn touch(
        &self,
        session: impl Into<SessionKey> + Send,
    ) -> Result<Verdict, StoreError> {
        let now = self.now();
        let before = self.0.touch(session.into(), now).await?;
        let after = before.map(|activity| self.policy().touch(now).applied_to(activity));
        Ok(self.policy().decide(after, now))
    }

    /// Returns the record of the session, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn activity(
        &self,
        session: impl Into<SessionKey> + Send,
    ) -> Result<Option<Activity>, StoreError> {
        self.0.load(session.into()).await
    }

    /// Ends the session for good, under all its ids. Returns whether the store knew the id: an
    /// unknown id is not remembered as revoked.
    ///
    /// Once polled, it runs to its end even if its caller is dropped, as a handler is whose client
    /// hangs up.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn revoke(&self, session: impl Into<SessionKey> + Send) -> Result<bool, StoreError> {
        self.0.end(session.into()).await
    }

    /// Returns the policy by which sessions are judged.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.0.policy()
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker")
            .field("policy", self.policy())
            .finish_non_exhaustive()
    }
}

/// The handle of the live session that a request presented, in the request's extensions.
///
/// Each request that was checked and passed has one. Anonymous and exempt requests have none. A
/// handler that logs somebody in with a token uses a [`Tracker`].
///
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use tower_login_timeout::SessionHandle;
///
/// fn time_left(request: &Request<()>) -> Option<Duration> {
///     Some(request.extensions().get::<SessionHandle>()?.remaining())
/// }
/// assert_eq!(time_left(&Request::new(())), None);
/// ```
///
/// With the feature `axum` it is an extractor: `session: SessionHandle` answers `403 Forbidden`
/// where there is none, `session: Option<SessionHandle>` does not.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    tracker: Tracker,
    key: SessionKey,
    activity: Activity,
}

impl SessionHandle {
    pub(crate) fn new(tracker: Tracker, key: SessionKey, activity: Activity) -> Self {
        Self {
            tracker,
            key,
            activity,
        }
    }

    /// Returns the session's key, to compare it with others or to end the session from elsewhere.
    #[must_use]
    pub const fn key(&self) -> SessionKey {
        self.key
    }

    /// Returns when the session began.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.activity.created_at()
    }

    /// Returns when the session was last active, as recorded. That is this request, unless it is
    /// passive or within `touch_every` of the last recorded one.
    #[must_use]
    pub const fn last_activity(&self) -> Timestamp {
        self.activity.last_activity()
    }

    /// Returns the session's own limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.activity.limits()
    }

    /// Returns how long the session lives from now on if it is not active again. Zero once it is
    /// over.
    ///
    /// It goes by the record as of this request. [`check`](SessionHandle::check) asks the store.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        let now = self.tracker.now();
        match self.tracker.policy().decide(Some(self.activity), now) {
            Verdict::Active { remaining, .. } => remaining,
            Verdict::Begins | Verdict::Expired(_) => Duration::ZERO,
        }
    }

    /// Asks the store whether the session may still act, for work that takes long: a WebSocket or
    /// an event stream must not outlive its session.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn check(&self) -> Result<Verdict, StoreError> {
        self.tracker.check(self.key).await
    }

    /// Counts as activity now: for a message on a WebSocket, or in a passive request that turns out
    /// to be the user's. It never brings back a session that has ended.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn touch(&self) -> Result<Verdict, StoreError> {
        self.tracker.touch(self.key).await
    }

    /// Begins a session with this id: a new one, whose absolute timeout counts from now, after the
    /// user has authenticated again.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn start(&self, id: impl Into<SessionKey> + Send) -> Result<(), StoreError> {
        self.tracker.start(id).await
    }

    /// Begins a session with this id and limits of its own.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn start_with(
        &self,
        id: impl Into<SessionKey> + Send,
        limits: Limits,
    ) -> Result<(), StoreError> {
        self.tracker.start_with(id, limits).await
    }

    /// Sets the limits of this session, whose absolute clock runs on. Returns whether the session
    /// is live.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn set_limits(&self, limits: Limits) -> Result<bool, StoreError> {
        self.tracker.set_limits(self.key, limits).await
    }

    /// Ends this session for good, under all its ids.
    ///
    /// A cookie that the same response sets continues the session that the request presented, so it
    /// ends too. To end one session and begin another in one request, also
    /// [`start`](SessionHandle::start) the new one.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn revoke(&self) -> Result<bool, StoreError> {
        self.tracker.revoke(self.key).await
    }
}

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
}

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

/// The parts of a tracker without a layer.
struct Standalone<St, C> {
    policy: Policy,
    store: St,
    clock: C,
    observers: Observers,
}

impl<St: ActivityStore, C: Clock> TrackerParts for Standalone<St, C> {
    type Store = St;

    fn parts(&self) -> Parts<'_, St> {
        Parts {
            policy: &self.policy,
            store: &self.store,
            clock: &self.clock,
            observers: &self.observers,
        }
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A tracker whose store's type is hidden, so that handlers need not name it.
trait DynTracker: Send + Sync {
    fn policy(&self) -> &Policy;
    fn now(&self) -> Timestamp;
    fn create(&self, key: SessionKey, activity: Activity) -> BoxFuture<'_, ()>;
    fn load(&self, key: SessionKey) -> BoxFuture<'_, Option<Activity>>;
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

    fn create(&self, key: SessionKey, activity: Activity) -> BoxFuture<'_, ()> {
        let parts = self.parts();
        let keep_until = parts.policy.keep_until(&activity);
        let create = parts.store.create(key, activity, keep_until);
        let create = parts.call(StoreOperation::LogIn, create);
        Box::pin(async move {
            create.await?;
            parts.observers.began(key, Cause::Tracker);
            Ok(())
        })
    }

    fn load(&self, key: SessionKey) -> BoxFuture<'_, Option<Activity>> {
        let parts = self.parts();
        Box::pin(parts.call(StoreOperation::Check, parts.store.load(key)))
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
            Ok(before?.is_some())
        }))
    }
}
