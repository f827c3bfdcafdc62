//! The sessions of a user: whose a session is, which a user has, and their end.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::observe::event::StoreOperation;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::user::{UserKey, UserLink};
use crate::session::verdict::Verdict;
use crate::store::detached::Detached;
use crate::store::error::StoreError;
use crate::store::random::random;
use crate::store::side_by_side::side_by_side;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::box_future::BoxFuture;
use crate::tracker::session_user::{Admission, SessionUser, UserSession};
use crate::tracker::users::{UserLinks, WhenFull};

/// How many ids of a session are followed to its newest.
const MOST_IDS: usize = 64;

/// How many sessions one operation of the store ends.
const MOST_AT_ONCE: usize = 500;

/// How long a link stays without a session. It is written before the session begins, so its session
/// may be on its way.
const YOUNG: Duration = Duration::from_secs(60);

/// Of so many log-ins, about one takes the links of sessions that are over out of the user's list.
const TIDIED_BY: u64 = 32;

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
        self.end_all_but(user, &HashSet::new()).await
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
        match self.ids_and_user_of(session.into()).await? {
            (ids, Some(user)) => self.end_all_but(user, &ids).await,
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
    pub(crate) async fn admit(
        &self,
        user: &SessionUser,
        session: SessionKey,
        activity: &Activity,
    ) -> Result<Admission, StoreError> {
        self.link(user, session, activity).await?;
        self.keep_within_limit(user, session).await
    }

    /// Links a session to a user. The session begins after that.
    pub(crate) async fn link(
        &self,
        user: &SessionUser,
        session: SessionKey,
        activity: &Activity,
    ) -> Result<(), StoreError> {
        let users = self.users()?;
        let key = users.settings.key(user.user());
        let link = UserLink::new(session, self.now(), user.label());
        self.write_link(users, key, link, activity).await
    }

    /// Links the new id of a session to the user whose the session is, if there is one.
    pub(crate) async fn link_new_id(
        &self,
        old: SessionKey,
        new: SessionKey,
        activity: &Activity,
    ) -> Result<(), StoreError> {
        let users = self.users()?;
        let link = users.store().link_of(old);
        match self.reported(StoreOperation::LogIn, link).await? {
            Some((user, link)) => {
                let link = UserLink::new(new, self.now(), link.label());
                self.write_link(users, user, link, activity).await
            }
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
                // Reading the list takes out what is over. Without that, the links of sessions
                // without an absolute timeout would pile up.
                let _ = self.sessions_of(user.user()).await;
            }
            return Ok(Admission::Begun);
        };
        let mut sessions = self.sessions_of(user.user()).await?;
        if sessions.len() <= most {
            return Ok(Admission::Begun);
        }
        match when_full {
            WhenFull::EndOldest => {
                sessions.sort_unstable_by_key(|session| (session.created_at(), session.key()));
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

    /// Returns the live sessions of a user, each once. Removes the links that lead nowhere.
    async fn live_sessions(&self, user: UserKey) -> Result<Vec<UserSession>, StoreError> {
        let mut live = HashMap::new();
        let mut over = Vec::new();
        for (link, found) in self.records_of(user).await? {
            let verdict = self.policy().decide(found, self.now());
            match (verdict, found) {
                (Verdict::Active { .. }, Some(found)) if found.replaced_at().is_none() => {
                    live.insert(link.session(), (link, found));
                }
                _ if self.is_young(&link) => {}
                _ => over.push(link.session()),
            }
        }
        if !over.is_empty() {
            // It only tidies up. The next reader tries again.
            let _ = self.users()?.store().unlink(user, over).await;
        }
        leave_one_id_each(&mut live);
        let session = |(link, activity): (UserLink, Activity)| UserSession {
            key: link.session(),
            activity,
            label: link.label().to_owned(),
            is_current: false,
        };
        let mut live: Vec<_> = live.into_values().map(session).collect();
        live.sort_unstable_by_key(|each| (Reverse(each.last_activity()), each.key()));
        Ok(live)
    }

    /// Ends all sessions of a user but the one with these ids. Returns how many of them were live.
    ///
    /// A session that is over by the clock of this node ends too: it may live by another's.
    async fn end_all_but(
        &self,
        user: UserKey,
        kept: &HashSet<SessionKey>,
    ) -> Result<usize, StoreError> {
        let mut sessions = Vec::new();
        let mut live = HashMap::new();
        for (link, found) in self.records_of(user).await? {
            // A session that has a new id by now is linked under that, perhaps to another user.
            let Some(found) = found.filter(|found| found.replaced_at().is_none()) else {
                continue;
            };
            if kept.contains(&link.session()) || found.is_revoked() {
                continue;
            }
            sessions.push(link.session());
            if let Verdict::Active { .. } = self.policy().decide(Some(found), self.now()) {
                live.insert(link.session(), (link, found));
            }
        }
        leave_one_id_each(&mut live);
        self.end_each(sessions).await?;
        Ok(live.len())
    }

    /// Returns the links of a user, and the record of each session.
    async fn records_of(
        &self,
        user: UserKey,
    ) -> Result<Vec<(UserLink, Option<Activity>)>, StoreError> {
        let links = self.users()?.store().links_of(user);
        let links = self.reported(StoreOperation::Check, links).await?;
        let load = |link: &UserLink| -> BoxFuture<'_, Option<Activity>> {
            let session = link.session();
            Box::pin(self.activity(session))
        };
        let records = side_by_side(links.iter().map(load).collect()).await?;
        Ok(links.into_iter().zip(records).collect())
    }

    /// Returns whether the session of a link may be about to begin.
    fn is_young(&self, link: &UserLink) -> bool {
        self.now().saturating_duration_since(link.linked_at()) <= YOUNG
    }

    /// Returns all ids of a session, and whose the session is.
    async fn ids_and_user_of(
        &self,
        session: SessionKey,
    ) -> Result<(HashSet<SessionKey>, Option<UserKey>), StoreError> {
        let mut ids = HashSet::from([session]);
        let mut found = self.activity(session).await?;
        let began = found.map(|found| found.created_at());
        let is_newest = |found: &Activity| found.replaced_at().is_none();
        let mut newest = found
            .as_ref()
            .filter(|found| is_newest(found))
            .map(|_| session);
        // The ids of a session form a ring.
        while let Some(next) = found.and_then(|found| found.next_id())
            && ids.len() < MOST_IDS
            && !ids.contains(&next)
        {
            // An id that was started anew is another session, as its age shows.
            let behind = self.activity(next).await?;
            let Some(behind) = behind.filter(|behind| Some(behind.created_at()) == began) else {
                break;
            };
            ids.insert(next);
            newest = newest.or_else(|| is_newest(&behind).then_some(next));
            found = Some(behind);
        }
        let link = self.users()?.store().link_of(newest.unwrap_or(session));
        let link = self.reported(StoreOperation::Check, link).await?;
        Ok((ids, link.map(|(user, _)| user)))
    }

    /// Ends sessions under all their ids, also if the caller is dropped meanwhile.
    async fn end_each(&self, sessions: Vec<SessionKey>) -> Result<(), StoreError> {
        let tracker = self.clone();
        Detached::new(async move {
            for sessions in sessions.chunks(MOST_AT_ONCE) {
                tracker.end_some(sessions.to_vec()).await?;
            }
            Ok(())
        })
        .await
    }

    async fn end_some(&self, sessions: Vec<SessionKey>) -> Result<(), StoreError> {
        let keep_until = self.policy().keep_revoked_until(self.now());
        let revoke = self.users()?.store().revoke_many(sessions, keep_until);
        let revoked = self.reported(StoreOperation::LogOut, revoke).await?;
        let mut with_other_ids = Vec::new();
        for (key, before) in &revoked {
            if !before.is_revoked() {
                self.report_end(*key);
            }
            if before.next_id().is_some() {
                with_other_ids.push(*key);
            }
        }
        // The other ids of a session form a ring, which is walked.
        let end = |key| -> BoxFuture<'_, bool> { Box::pin(self.revoke(key)) };
        side_by_side(with_other_ids.into_iter().map(end).collect()).await?;
        Ok(())
    }

    /// Waits for an operation on links, and reports its failure.
    async fn reported<T>(
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

/// Leaves one id of each session among these. A session has several that live if two requests gave
/// it a new id at the same moment. Each of them names another one as its next.
fn leave_one_id_each(live: &mut HashMap<SessionKey, (UserLink, Activity)>) {
    for key in live.keys().copied().collect::<Vec<_>>() {
        let Some((_, found)) = live.get(&key) else {
            continue;
        };
        let (began, mut next) = (found.created_at(), found.next_id());
        while let Some(other) = next.filter(|other| *other != key)
            && let Some((_, behind)) = live.get(&other)
            && behind.created_at() == began
        {
            next = behind.next_id();
            live.remove(&other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::time::Timestamp;

    /// Returns how many sessions are left of ids of which each names its next.
    fn left(ids: &[(&str, Option<&str>)]) -> usize {
        let record = |(id, next): &(&str, Option<&str>)| {
            let key = SessionKey::of(id);
            let link = UserLink::new(key, Timestamp::UNIX_EPOCH, "");
            let activity = Activity::began(Timestamp::UNIX_EPOCH);
            (key, (link, activity.with_next_id(next.map(SessionKey::of))))
        };
        let mut live = ids.iter().map(record).collect();
        leave_one_id_each(&mut live);
        live.len()
    }

    #[test]
    fn a_session_is_left_once_whatever_the_ring_looks_like() {
        assert_eq!(left(&[]), 0);
        assert_eq!(left(&[("a", None), ("b", None)]), 2);
        assert_eq!(left(&[("a", Some("gone")), ("b", Some("gone"))]), 2);
        assert_eq!(left(&[("a", Some("a"))]), 1);
        assert_eq!(left(&[("b", Some("a")), ("a", None)]), 1);
        let chain = [("c", Some("b")), ("b", Some("a")), ("a", Some("gone"))];
        assert_eq!(left(&chain), 1);
        // The replaced id has left the ring.
        assert_eq!(left(&[("a", Some("b")), ("b", Some("a"))]), 1);
        assert_eq!(
            left(&[("a", Some("b")), ("b", Some("c")), ("c", Some("a"))]),
            1
        );
    }
}
