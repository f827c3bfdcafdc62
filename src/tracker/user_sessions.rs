//! The sessions of a user, for the application: whose a session is, which a user has, and their
//! end.

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::store::error::StoreError;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::session_user::{Admission, SessionUser, UserSession};
use crate::tracker::users::WhenFull;

impl Tracker {
    /// Begins a session for a user with this id, now, with the policy's limits. It replaces the
    /// record of the id, if there is one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_login_timeout::{
    ///     Admission, ManualClock, MemoryStore, Policy, SessionUser, Tracker, Users, Verdict,
    /// };
    ///
    /// let users = Users::new("a secret of 16 bytes or more")?;
    /// let (store, clock) = (MemoryStore::new(), ManualClock::new());
    /// let tracker = Tracker::with_users(Policy::default(), store, clock, users);
    /// let phone = SessionUser::new("ada").with_label("phone");
    /// assert_eq!(tracker.start_for(phone, "sesame").await?, Admission::Begun);
    /// assert_eq!(tracker.start_for("ada", "open").await?, Admission::Begun);
    ///
    /// let sessions = tracker.sessions_of("ada").await?;
    /// assert_eq!(sessions.len(), 2);
    /// assert_eq!(tracker.end_all_of("ada").await?, 2);
    /// assert!(matches!(tracker.check("sesame").await?, Verdict::Expired(_)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails, or if this tracker was created without
    /// [`Users`](crate::Users).
    pub async fn start_for(
        &self,
        user: impl Into<SessionUser> + Send,
        session: impl Into<SessionKey> + Send,
    ) -> Result<Admission, StoreError> {
        self.start_for_with(user, session, Limits::default()).await
    }

    /// Begins a session for a user with this id, now, with limits of its own. It replaces the
    /// record of the id, if there is one.
    ///
    /// # Errors
    ///
    /// As [`start_for`](Tracker::start_for).
    pub async fn start_for_with(
        &self,
        user: impl Into<SessionUser> + Send,
        session: impl Into<SessionKey> + Send,
        limits: Limits,
    ) -> Result<Admission, StoreError> {
        let (user, session) = (user.into(), session.into());
        let activity = Activity::began(self.now()).with_limits(limits);
        if self.prepare_for(&user, session, &activity).await? == Admission::Refused {
            return Ok(Admission::Refused);
        }
        self.create(session, activity).await?;
        self.keep_within_limit(&user, session).await
    }

    /// Returns whether a further session of this user could begin now. A log-in handler that sets a
    /// cookie asks this first, where [`WhenFull::RefuseNew`] is set.
    ///
    /// # Errors
    ///
    /// As [`start_for`](Tracker::start_for).
    pub async fn has_room_for(&self, user: &str) -> Result<bool, StoreError> {
        match self.users()?.settings.limit() {
            Some((most, WhenFull::RefuseNew)) => Ok(self.sessions_of(user).await?.len() < most),
            Some((_, WhenFull::EndOldest)) | None => Ok(true),
        }
    }

    /// Returns the live sessions of this user, the last active one first.
    ///
    /// It reads the links to the user's sessions, and the record of each. It is no activity.
    ///
    /// # Errors
    ///
    /// As [`start_for`](Tracker::start_for).
    pub async fn sessions_of(&self, user: &str) -> Result<Vec<UserSession>, StoreError> {
        self.live_sessions(self.users()?.settings.key(user)).await
    }

    /// Ends all sessions of this user for good, on every device. Returns how many there were.
    ///
    /// A log-in that happens at the same moment may begin a session afterwards. So change the
    /// password first.
    ///
    /// # Errors
    ///
    /// As [`start_for`](Tracker::start_for). Sessions that were ended before the error stay ended.
    pub async fn end_all_of(&self, user: &str) -> Result<usize, StoreError> {
        let user = self.users()?.settings.key(user);
        self.end_all_but(user, None).await
    }

    /// Ends all sessions of the user whose session this is, but this one. Returns how many there
    /// were.
    ///
    /// # Errors
    ///
    /// As [`start_for`](Tracker::start_for).
    pub async fn end_others(
        &self,
        session: impl Into<SessionKey> + Send,
    ) -> Result<usize, StoreError> {
        let session = session.into();
        match self.ids_and_user_of(session).await? {
            (_, Some(user)) => self.end_all_but(user, Some(session)).await,
            (_, None) => Ok(0),
        }
    }

    /// Returns the live sessions of the user whose session this is, with this one marked. There are
    /// none if it belongs to nobody.
    pub(crate) async fn sessions_beside(
        &self,
        session: SessionKey,
    ) -> Result<Vec<UserSession>, StoreError> {
        let (ids, user) = self.ids_and_user_of(session).await?;
        let mut sessions = match user {
            Some(user) => self.live_sessions(user).await?,
            None => Vec::new(),
        };
        for each in &mut sessions {
            each.is_current = ids.contains(&each.key);
        }
        Ok(sessions)
    }
}
