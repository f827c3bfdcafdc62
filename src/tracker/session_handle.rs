//! The handle of one session.

use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::time::Timestamp;
use crate::session::verdict::Verdict;
use crate::store::error::StoreError;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::ended::Ended;
use crate::tracker::session_user::{Admission, SessionUser, UserSession};

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

    /// Returns a future that completes when the session is over, with the reason: for a WebSocket,
    /// a stream or a job that must not outlive its session.
    ///
    /// It is no activity. It sleeps until the session could be over, and asks the store now and
    /// then, so that it completes within [`look_every`](crate::LoginTimeoutLayer::with_look_every)
    /// after a log-out anywhere. Behind a near cache, that asks no server. It follows the session
    /// to its new id. While the store fails, it waits, and completes at the absolute timeout.
    ///
    /// It holds less than a kilobyte and needs no task, so a server may have a hundred thousand.
    /// Dropping it ends nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tower_login_timeout::{ManualClock, MemoryStore, Policy, Tracker};
    /// use tower_login_timeout::{Reason, SessionHandle};
    ///
    /// /// Sends what comes in, until the session is over.
    /// async fn serve(
    ///     session: SessionHandle,
    ///     mut messages: tokio::sync::mpsc::Receiver<String>,
    /// ) -> Option<Reason> {
    ///     let mut ended = session.ended();
    ///     loop {
    ///         tokio::select! {
    ///             expired = &mut ended => return Some(expired.reason()),
    ///             message = messages.recv() => println!("{}", message?),
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn ended(&self) -> Ended {
        self.tracker.ended(self.key, self.activity)
    }

    /// Asks the store whether the session may still act, for work that takes long. To be told when
    /// it is over, use [`ended`](SessionHandle::ended). It follows the session to its new id.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn check(&self) -> Result<Verdict, StoreError> {
        let (_, found) = self.tracker.newest_id(self.key).await?;
        Ok(self.tracker.policy().decide(found, self.tracker.now()))
    }

    /// Counts as activity now: for a message on a WebSocket, or in a passive request that turns out
    /// to be the user's. It never brings back a session that has ended, and follows one to its new
    /// id.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn touch(&self) -> Result<Verdict, StoreError> {
        self.tracker.touch_newest(self.key).await
    }

    /// Links this session to a user, so that it is among the user's
    /// [sessions](Tracker::sessions_of). It is for a session that was there before its user logged
    /// in, and goes on under the same id. If the user may have no further session, this one ends.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails, or if the layer was built without
    /// [`with_users`](crate::LoginTimeoutLayer::with_users).
    pub async fn belongs_to(
        &self,
        user: impl Into<SessionUser> + Send,
    ) -> Result<Admission, StoreError> {
        self.tracker
            .admit(&user.into(), self.key, &self.activity)
            .await
    }

    /// Returns the live sessions of the user whose session this is, the last active one first. This
    /// one is [marked](crate::UserSession::is_current). There are none if it belongs to nobody.
    ///
    /// # Errors
    ///
    /// As [`belongs_to`](SessionHandle::belongs_to).
    pub async fn sessions_of_user(&self) -> Result<Vec<UserSession>, StoreError> {
        self.tracker.sessions_beside(self.key).await
    }

    /// Ends all other sessions of the user whose session this is. Returns how many there were.
    ///
    /// # Errors
    ///
    /// As [`belongs_to`](SessionHandle::belongs_to).
    pub async fn end_others(&self) -> Result<usize, StoreError> {
        self.tracker.end_others(self.key).await
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
