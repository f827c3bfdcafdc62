//! The records behind a user's links: which sessions live, which ids a session has, and their end.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::observe::event::StoreOperation;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::session::verdict::Verdict;
use crate::store::detached::Detached;
use crate::store::error::StoreError;
use crate::store::random::random;
use crate::store::side_by_side::side_by_side;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::box_future::BoxFuture;
use crate::tracker::session_ids::leave_one_id_each;
use crate::tracker::session_user::UserSession;

/// How many sessions one operation of the store loads, ends or takes out of a list.
const MOST_AT_ONCE: usize = 500;

/// How many operations of the store are under way for one user. A pool has more connections, so
/// that a user with many sessions leaves some to the others.
const MOST_UNDER_WAY: usize = 4;

/// How many links are looked at to tidy up a user's list.
const TIDIED_AT_ONCE: usize = 64;

/// How long a link stays without a session. It is written before the session begins, so its session
/// may be on its way.
const YOUNG: Duration = Duration::from_secs(60);

/// How long after its end a link stays. Its session may live by the clock of another node, and by
/// activity that is not written yet. A link that is removed does not come back.
const LONG_OVER: Duration = Duration::from_secs(60 * 60);

impl Tracker {
    /// Returns the live sessions of a user, each once. Removes the links that lead nowhere.
    pub(super) async fn live_sessions(
        &self,
        user: UserKey,
    ) -> Result<Vec<UserSession>, StoreError> {
        let records = self.records_of(user).await?;
        let known = self.known_ids(&records).await?;
        let mut live = HashMap::new();
        let mut over = Vec::new();
        for (link, found) in records {
            let verdict = self.policy().decide(found, self.now());
            match (verdict, found) {
                (Verdict::Active { .. }, Some(found)) if found.replaced_at().is_none() => {
                    live.insert(link.session(), (link, found));
                }
                _ if self.leads_nowhere(&link, found) => over.push(link.session()),
                _ => {}
            }
        }
        let store = self.users()?.store();
        for some in over.chunks(MOST_AT_ONCE) {
            // It only tidies up. The next reader tries again.
            if store.unlink(user, some.to_vec()).await.is_err() {
                break;
            }
        }
        leave_one_id_each(&mut live, &known);
        let session = |(link, activity): (UserLink, Activity)| UserSession {
            key: link.session(),
            activity,
            logged_in_at: link.linked_at(),
            label: link.label().to_owned(),
            is_current: false,
        };
        let mut live: Vec<_> = live.into_values().map(session).collect();
        live.sort_unstable_by_key(|each| (Reverse(each.last_activity()), each.key()));
        Ok(live)
    }

    /// Removes links of a user that lead nowhere, among some that are drawn at random.
    ///
    /// It costs the same however many links there are. One in 32 log-ins calls it. So each log-in
    /// adds a link, and looks at two. Once half of a user's links lead nowhere, as many are removed
    /// as are added.
    pub(super) async fn tidy(&self, user: UserKey) -> Result<(), StoreError> {
        let links = self.users()?.store().links_of(user);
        let mut links = self.reported(StoreOperation::Check, links).await?;
        if let Some(most) = links.len().checked_sub(TIDIED_AT_ONCE) {
            let first = random() as usize % (most + 1);
            links = links.split_off(first);
            links.truncate(TIDIED_AT_ONCE);
        }
        let mut over = Vec::new();
        for (link, found) in self.with_records(links).await? {
            if self.leads_nowhere(&link, found) {
                over.push(link.session());
            }
        }
        if over.is_empty() {
            return Ok(());
        }
        let unlink = self.users()?.store().unlink(user, over);
        self.reported(StoreOperation::LogOut, unlink).await
    }

    /// Ends all sessions of a user but this one. Returns how many of them were live.
    ///
    /// A session that is over by the clock of this node ends too: it may live by another's.
    pub(super) async fn end_all_but(
        &self,
        user: UserKey,
        kept: Option<SessionKey>,
    ) -> Result<usize, StoreError> {
        let records = self.records_of(user).await?;
        // Its ids are read after the records. So an id that it got meanwhile is among them.
        let kept = match kept {
            Some(session) => self.ids_of(session).await?.all,
            None => HashSet::new(),
        };
        let known = self.known_ids(&records).await?;
        let mut sessions = Vec::new();
        let mut live = HashMap::new();
        for (link, found) in records {
            // A session that has a new id by now is linked under that, perhaps to another user.
            let Some(found) = found.filter(|found| found.replaced_at().is_none()) else {
                continue;
            };
            // A new id has a record before it is among the ids of its session, and names one of
            // them.
            let mut ids = [Some(link.session()), found.next_id()]
                .into_iter()
                .flatten();
            if found.is_revoked() || ids.any(|id| kept.contains(&id)) {
                continue;
            }
            sessions.push(link.session());
            if let Verdict::Active { .. } = self.policy().decide(Some(found), self.now()) {
                live.insert(link.session(), (link, found));
            }
        }
        leave_one_id_each(&mut live, &known);
        self.end_each(sessions).await?;
        Ok(live.len())
    }

    /// Returns the links of a user, and the record of each session.
    async fn records_of(
        &self,
        user: UserKey,
    ) -> Result<Vec<(UserLink, Option<Activity>)>, StoreError> {
        let asked_at = self.now();
        let links = self.users()?.store().links_of(user);
        let links = self.reported(StoreOperation::Check, links).await?;
        let mut records = self.with_records(links).await?;
        self.add_new_ids(user, asked_at, &mut records).await?;
        Ok(records)
    }

    async fn with_records(
        &self,
        links: Vec<UserLink>,
    ) -> Result<Vec<(UserLink, Option<Activity>)>, StoreError> {
        let mut records = HashMap::new();
        for some in links.chunks(MOST_AT_ONCE) {
            let sessions = some.iter().map(UserLink::session).collect();
            let found = self.users()?.store().load_many(sessions);
            records.extend(self.reported(StoreOperation::Check, found).await?);
        }
        let with_record = |link: UserLink| {
            let found = records.get(&link.session()).copied();
            (link, found)
        };
        Ok(links.into_iter().map(with_record).collect())
    }

    /// Returns whether a link leads to no session that lives or is about to begin, whatever the
    /// clocks of other nodes say.
    fn leads_nowhere(&self, link: &UserLink, found: Option<Activity>) -> bool {
        let is_over_since = |end: Timestamp, time| self.now().saturating_duration_since(end) > time;
        let is_over = found.is_none_or(|found| {
            found.is_revoked()
                // Until then, it may be between two ids of its session that live.
                || self.policy().is_long_replaced(&found, self.now())
                || is_over_since(self.policy().end(&found), LONG_OVER)
        });
        is_over && is_over_since(link.linked_at(), YOUNG)
    }

    /// Ends sessions under all their ids, also if the caller is dropped meanwhile.
    pub(super) async fn end_each(&self, sessions: Vec<SessionKey>) -> Result<(), StoreError> {
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
        side_by_side(
            with_other_ids.into_iter().map(end).collect(),
            MOST_UNDER_WAY,
        )
        .await?;
        Ok(())
    }
}
