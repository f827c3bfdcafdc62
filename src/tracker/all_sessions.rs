//! The tracker of all sessions.

use std::fmt;
use std::sync::Arc;

use crate::clock::port::Clock;
use crate::observe::event::StoreOperation;
use crate::observe::observers::Observers;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::session::verdict::Verdict;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::user_store::UserStore;
use crate::tracker::ended::Ended;
use crate::tracker::parts::{DynTracker, LOOK_EVERY, Parts, TrackerParts};
use crate::tracker::users::{UserLinks, Users};

/// The error of a tracker that was not told of users.
const NO_USERS: &str = "this layer or tracker does not know whose sessions are: call `with_users`";

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
            users: None,
        }))
    }

    /// Creates a tracker of the sessions in this store, and of whose they are.
    #[must_use]
    pub fn with_users<St: UserStore>(
        policy: Policy,
        store: St,
        clock: impl Clock,
        users: Users,
    ) -> Self {
        let users = UserLinks::new(users, store.clone(), policy.store_timeout());
        Self::of(Arc::new(Standalone {
            policy,
            store,
            clock,
            observers: Observers::built_in(),
            users: Some(users),
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
        self.create(session.into(), activity).await
    }

    /// Sets the limits of a live session, whose absolute clock runs on. Returns whether the session
    /// is live. It follows the session to its new id.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn set_limits(
        &self,
        session: impl Into<SessionKey> + Send,
        limits: Limits,
    ) -> Result<bool, StoreError> {
        let (session, _) = self.newest_id(session.into()).await?;
        self.link_for(session, limits).await?;
        let change = Change::set_limits(*self.policy(), self.now(), limits);
        let before = self.0.change(session, change).await?;
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
        let after = self.touched(session.into(), now).await?;
        Ok(self.policy().decide(after, now))
    }

    /// Counts as activity. Returns the record afterwards.
    pub(super) async fn touched(
        &self,
        session: SessionKey,
        now: Timestamp,
    ) -> Result<Option<Activity>, StoreError> {
        let before = self.0.touch(session, now).await?;
        Ok(before.map(|activity| self.policy().touch(now).applied_to(activity)))
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

    pub(super) fn report_end(&self, key: SessionKey) {
        self.0.ended(key);
    }

    pub(super) fn ended(&self, key: SessionKey, known: Activity) -> Ended {
        Ended::new(Arc::clone(&self.0), key, known)
    }

    pub(super) async fn create(
        &self,
        session: SessionKey,
        activity: Activity,
    ) -> Result<(), StoreError> {
        self.0.create(session, activity).await
    }

    /// Returns whether this tracker knows whose sessions are.
    pub(super) fn has_users(&self) -> bool {
        self.0.users().is_some()
    }

    /// Returns the links of sessions to users.
    pub(super) fn users(&self) -> Result<&UserLinks, StoreError> {
        self.0.users().ok_or_else(|| StoreError::failed(NO_USERS))
    }

    pub(super) fn store_failed(&self, operation: StoreOperation, error: &StoreError) {
        self.0.store_failed(operation, error);
    }

    pub(super) fn now(&self) -> Timestamp {
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

/// The parts of a tracker without a layer.
struct Standalone<St, C> {
    policy: Policy,
    store: St,
    clock: C,
    observers: Observers,
    users: Option<UserLinks>,
}

impl<St: ActivityStore, C: Clock> TrackerParts for Standalone<St, C> {
    type Store = St;

    fn parts(&self) -> Parts<'_, St> {
        Parts {
            policy: &self.policy,
            store: &self.store,
            clock: &self.clock,
            observers: &self.observers,
            look_every: LOOK_EVERY,
            users: self.users.as_ref(),
            has_visitors: false,
        }
    }
}
