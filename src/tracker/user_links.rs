//! The links of sessions to users: how a session gets one, and how many a user may have.

use std::time::Duration;

use crate::observe::event::StoreOperation;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::user::{UserKey, UserLink};
use crate::store::error::StoreError;
use crate::store::random::random;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::box_future::BoxFuture;
use crate::tracker::session_user::{Admission, SessionUser, UserSession};
use crate::tracker::users::{UserLinks, WhenFull};

/// Of so many log-ins or new ids, about one takes the links of what is over out of the user's list.
const TIDIED_BY: u64 = 32;

/// How long an operation under way may need the link of a replaced id, beside the time in which
/// requests may present it. The clocks of nodes differ.
const UNDER_WAY: Duration = Duration::from_secs(60);

impl Tracker {
    /// Links a session that is to begin for a user, if the user may have one more.
    pub(crate) async fn prepare_for(
        &self,
        user: &SessionUser,
        session: SessionKey,
        activity: &Activity,
    ) -> Result<Admission, StoreError> {
        if !self.has_room_for(user.user()).await? {
            return Ok(Admission::Refused);
        }
        self.link(user, session, activity).await?;
        Ok(Admission::Begun)
    }

    /// Links a session that lives to a user. It ends if the user may have none more.
    ///
    /// It was last known like this. Its limits may have changed since, and the link must stay as
    /// long as the session.
    pub(crate) async fn admit(
        &self,
        user: &SessionUser,
        session: SessionKey,
        known: &Activity,
    ) -> Result<Admission, StoreError> {
        let activity = self.activity(session).await?.unwrap_or(*known);
        self.link(user, session, &activity).await?;
        // It may have got a new id meanwhile, without a link, as it was nobody's then.
        if let Some((newest, found)) = self.ids_of(session).await?.newest
            && newest != session
        {
            self.link(user, newest, &found).await?;
        }
        self.keep_within_limit(user, session).await
    }

    /// Links a session to a user. The session begins after that.
    pub(crate) async fn link(
        &self,
        user: &SessionUser,
        session: SessionKey,
        activity: &Activity,
    ) -> Result<UserKey, StoreError> {
        let users = self.users()?;
        let key = users.settings.key(user.user());
        let link = UserLink::new(session, self.now(), user.label());
        self.write_link(users, key, link, activity).await?;
        Ok(key)
    }

    /// Links the new id of a session to the user whose the session is, if there is one. Returns the
    /// user.
    ///
    /// Until the new id has a record, its link says that it was made now, so that no list takes it
    /// for one that leads nowhere.
    pub(crate) async fn link_new_id(
        &self,
        old: SessionKey,
        new: SessionKey,
        activity: &Activity,
    ) -> Result<Option<UserKey>, StoreError> {
        let users = self.users()?;
        let link = users.store().link_of(old);
        let Some((user, link)) = self.reported(StoreOperation::LogIn, link).await? else {
            return Ok(None);
        };
        let link = UserLink::new(new, self.now(), link.label());
        self.write_link(users, user, link, activity).await?;
        Ok(Some(user))
    }

    /// Corrects the links of a session whose new id has a record by now, and was linked to this
    /// user before. Somebody may have logged in in that session, or changed its limits, meanwhile.
    ///
    /// Where no user comes with the new id, that is no log-in. So its link says when the user
    /// logged in, as the link of the old id does. By that, a log-in in an old session is not the
    /// oldest one.
    pub(crate) async fn settle_links(
        &self,
        (old, new): (SessionKey, SessionKey),
        linked: Option<UserKey>,
        with: Option<&SessionUser>,
    ) -> Result<(), StoreError> {
        let left = self.let_link_leave(old).await?;
        let users = self.users()?;
        let current = users.store().link_of(new);
        let current = self.reported(StoreOperation::LogIn, current).await?;
        if current.as_ref().map(|(user, _)| *user) != linked {
            // A log-in has linked the new id since.
            return Ok(());
        }
        let link = match with {
            Some(_) => current,
            None => left,
        };
        match (link, self.activity(new).await?) {
            (Some((user, link)), Some(found)) => {
                let link = UserLink::new(new, link.linked_at(), link.label());
                self.write_link(users, user, link, &found).await
            }
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// Has the link of an id leave soon that was just replaced, and returns it. Without that, an
    /// application that gives new ids all the time would leave a link for each, until the session
    /// is as old as it may become. In a full store in memory, they would take the place of others.
    ///
    /// Requests under way still need it.
    async fn let_link_leave(
        &self,
        old: SessionKey,
    ) -> Result<Option<(UserKey, UserLink)>, StoreError> {
        let users = self.users()?;
        let link = users.store().link_of(old);
        let Some((user, link)) = self.reported(StoreOperation::LogIn, link).await? else {
            return Ok(None);
        };
        let overlaps = self.policy().rotation_overlap().saturating_mul(2);
        let keep_until = self
            .now()
            .saturating_add(overlaps.saturating_add(UNDER_WAY));
        let leaving = users.store().link(user, link.clone(), keep_until);
        self.reported(StoreOperation::LogIn, leaving).await?;
        if random().is_multiple_of(TIDIED_BY) {
            // Redis keeps what is in a list for as long as the list.
            let _ = self.tidy(user).await;
        }
        Ok(Some((user, link)))
    }

    /// Has the link of a session stay for as long as the session may live with these limits. It is
    /// called before the session gets them.
    pub(crate) async fn link_for(
        &self,
        session: SessionKey,
        limits: Limits,
    ) -> Result<(), StoreError> {
        let end = |activity: &Activity| self.policy().absolute_end(activity);
        if !self.has_users() {
            return Ok(());
        }
        let Some(before) = self.activity(session).await? else {
            return Ok(());
        };
        let after = before.with_limits(limits);
        if end(&after) <= end(&before) {
            return Ok(());
        }
        let users = self.users()?;
        let link = users.store().link_of(session);
        match self.reported(StoreOperation::LogIn, link).await? {
            Some((user, link)) => self.write_link(users, user, link, &after).await,
            None => Ok(()),
        }
    }

    /// Ends what is too much, after this session of a user began.
    ///
    /// Where several begin at once, the caller whose session began last sees all of them, since it
    /// asks afterwards. So none is too much in the end. Where the oldest ends, all callers agree on
    /// the order. Where the new one is refused, several that begin at once may all be refused.
    pub(crate) async fn keep_within_limit(
        &self,
        user: &SessionUser,
        session: SessionKey,
    ) -> Result<Admission, StoreError> {
        let Some((most, when_full)) = self.users()?.settings.limit() else {
            if random().is_multiple_of(TIDIED_BY) {
                // Without that, the links of sessions without an absolute timeout would pile up.
                let key = self.users()?.settings.key(user.user());
                let _ = self.tidy(key).await;
            }
            return Ok(Admission::Begun);
        };
        let mut sessions = self.sessions_of(user.user()).await?;
        if sessions.len() <= most {
            return Ok(Admission::Begun);
        }
        match when_full {
            WhenFull::EndOldest => {
                sessions.sort_unstable_by_key(|session| (session.logged_in_at(), session.key()));
                let too_many = sessions.len() - most;
                let oldest = sessions.iter().map(UserSession::key);
                self.end_each(oldest.take(too_many).collect()).await?;
                Ok(Admission::Begun)
            }
            WhenFull::RefuseNew => {
                self.revoke(session).await?;
                Ok(Admission::Refused)
            }
        }
    }

    async fn write_link(
        &self,
        users: &UserLinks,
        user: UserKey,
        link: UserLink,
        activity: &Activity,
    ) -> Result<(), StoreError> {
        let policy = self.policy();
        let end = policy.absolute_end(activity);
        let keep_until = end.saturating_add(policy.remember_expired_for());
        let link = users.store().link(user, link, keep_until);
        self.reported(StoreOperation::LogIn, link).await
    }

    /// Waits for an operation on links, and reports its failure.
    pub(super) async fn reported<T>(
        &self,
        operation: StoreOperation,
        call: BoxFuture<'static, T>,
    ) -> Result<T, StoreError> {
        let result = call.await;
        if let Err(error) = &result {
            self.store_failed(operation, error);
        }
        result
    }
}
