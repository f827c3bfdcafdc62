//! The ids of a session, and which of them leads to its user.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::observe::event::StoreOperation;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::error::StoreError;
use crate::tracker::all_sessions::Tracker;

/// How many ids of a session are looked at.
const MOST_IDS: usize = 64;

/// By how much the clocks of two nodes may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// The ids of one session.
pub(super) struct Ids {
    pub(super) all: HashSet<SessionKey>,
    /// The id that has not been replaced, and its record.
    newest: Option<(SessionKey, Activity)>,
}

impl Tracker {
    /// Returns all ids of a session, and whose the session is.
    pub(super) async fn ids_and_user_of(
        &self,
        session: SessionKey,
    ) -> Result<(HashSet<SessionKey>, Option<UserKey>), StoreError> {
        let Ids { all, newest } = self.ids_of(session).await?;
        let newest = newest.map_or(session, |(newest, _)| newest);
        let link = self.users()?.store().link_of(newest);
        let link = self.reported(StoreOperation::Check, link).await?;
        Ok((all, link.map(|(user, _)| user)))
    }

    /// Returns the ids of a session.
    pub(super) async fn ids_of(&self, session: SessionKey) -> Result<Ids, StoreError> {
        let mut all = HashSet::from([session]);
        let mut found = self.activity(session).await?;
        let began = found.map(|found| found.created_at());
        let is_newest = |found: &Activity| found.replaced_at().is_none();
        let mut newest = found.filter(is_newest).map(|found| (session, found));
        // The ids of a session form a ring.
        while let Some(next) = found.and_then(|found| found.next_id())
            && all.len() < MOST_IDS
            && !all.contains(&next)
        {
            // An id that was started anew is another session, as its age shows.
            let behind = self.activity(next).await?;
            let Some(behind) = behind.filter(|behind| Some(behind.created_at()) == began) else {
                break;
            };
            all.insert(next);
            newest = newest.or_else(|| is_newest(&behind).then_some((next, behind)));
            found = Some(behind);
        }
        Ok(Ids { all, newest })
    }

    /// Adds the sessions that got a new id after the links of their user were read.
    ///
    /// Such a session is there under its old id alone, which says nothing any more. So its new id
    /// is looked up, and whose it is.
    pub(super) async fn add_new_ids(
        &self,
        user: UserKey,
        asked_at: Timestamp,
        records: &mut Vec<(UserLink, Option<Activity>)>,
    ) -> Result<(), StoreError> {
        let since = asked_at.saturating_sub(CLOCKS_DIFFER);
        let known = records.iter().map(|(link, found)| (link.session(), *found));
        let mut known: HashMap<_, _> = known.collect();
        for old in just_replaced(&known, since) {
            let Some((new, found)) = self.ids_of(old).await?.newest else {
                continue;
            };
            if known.insert(new, Some(found)).is_some() {
                continue;
            }
            let link = self.users()?.store().link_of(new);
            match self.reported(StoreOperation::Check, link).await? {
                Some((owner, link)) if owner == user => records.push((link, Some(found))),
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// Returns the ids that were replaced since then by an id that is not among these.
fn just_replaced(
    known: &HashMap<SessionKey, Option<Activity>>,
    since: Timestamp,
) -> Vec<SessionKey> {
    let is_new = |found: &Activity| {
        let next = found.next_id().filter(|_| !found.is_revoked());
        found.replaced_at().is_some_and(|at| at >= since)
            && next.is_some_and(|next| !known.contains_key(&next))
    };
    let replaced = known
        .iter()
        .filter(|(_, found)| found.as_ref().is_some_and(is_new));
    replaced.map(|(old, _)| *old).collect()
}
