//! The ids of a session: the one under which it goes on, and the one that leads to its user.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::observe::event::StoreOperation;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::session::verdict::Verdict;
use crate::store::error::StoreError;
use crate::store::lifecycle::MOST_IDS;
use crate::tracker::all_sessions::Tracker;

/// How often ids are looked up that lead from one id of a session to another.
const MOST_LOOKS: usize = 8;

/// By how much the clocks of two nodes may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// The ids of one session.
pub(super) struct Ids {
    pub(super) all: HashSet<SessionKey>,
    /// The id that has not been replaced, and its record.
    pub(super) newest: Option<(SessionKey, Activity)>,
}

impl Tracker {
    /// Returns the id under which a session goes on, and its record. A session that has ended has
    /// the given one.
    pub(super) async fn newest_id(
        &self,
        session: SessionKey,
    ) -> Result<(SessionKey, Option<Activity>), StoreError> {
        let given = self.activity(session).await?;
        let newest = match given {
            Some(given) if is_replaced(&given) => self.newest_behind(session, given).await?,
            _ => None,
        };
        Ok(newest.map_or((session, given), |(newest, found)| (newest, Some(found))))
    }

    /// Counts as activity of a session, under the id under which it goes on.
    pub(super) async fn touch_newest(&self, session: SessionKey) -> Result<Verdict, StoreError> {
        let now = self.now();
        let found = self.touched(session, now).await?;
        if let Some(found) = found.filter(is_replaced)
            && let Some((newest, _)) = self.newest_behind(session, found).await?
        {
            return self.touch(newest).await;
        }
        Ok(self.policy().decide(found, now))
    }

    /// Returns the id that took the place of a replaced one, or of the one that did, and so on.
    async fn newest_behind(
        &self,
        session: SessionKey,
        replaced: Activity,
    ) -> Result<Option<(SessionKey, Activity)>, StoreError> {
        let mut followed = HashSet::from([session]);
        let mut next = replaced.next_id();
        while let Some(id) = next
            && followed.len() < MOST_IDS
            && followed.insert(id)
        {
            // An id that was started anew is another session, as its age shows.
            let is_same = |found: &Activity| found.created_at() == replaced.created_at();
            match self.activity(id).await?.filter(is_same) {
                Some(found) if is_replaced(&found) => next = found.next_id(),
                found => return Ok(found.map(|found| (id, found))),
            }
        }
        Ok(None)
    }

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

    /// Returns the record of each id among these, and of the ids that lead from one to another.
    ///
    /// Two of them may be of one session only if both began at the same moment. So hardly any call
    /// looks up more.
    pub(super) async fn known_ids(
        &self,
        records: &[(UserLink, Option<Activity>)],
    ) -> Result<HashMap<SessionKey, Activity>, StoreError> {
        let mut known = by_id(records);
        let mut began = HashSet::new();
        let live = known.values().filter(|found| found.replaced_at().is_none());
        let times = live.map(Activity::created_at);
        let twice: HashSet<_> = times.filter(|at| !began.insert(*at)).collect();
        let mut looked_up = HashSet::new();
        for _ in 0..MOST_LOOKS {
            let ids = known
                .values()
                .filter(|found| twice.contains(&found.created_at()));
            let ids = ids.filter_map(Activity::next_id);
            let ids: Vec<_> = ids
                .filter(|id| !known.contains_key(id) && looked_up.insert(*id))
                .collect();
            if ids.is_empty() {
                break;
            }
            let found = self.users()?.store().load_many(ids);
            known.extend(self.reported(StoreOperation::Check, found).await?);
        }
        Ok(known)
    }
}

/// Returns whether the session goes on under another id.
fn is_replaced(found: &Activity) -> bool {
    found.replaced_at().is_some() && !found.is_revoked()
}

fn by_id(records: &[(UserLink, Option<Activity>)]) -> HashMap<SessionKey, Activity> {
    let found = records
        .iter()
        .filter_map(|(link, found)| Some((link.session(), (*found)?)));
    found.collect()
}

/// Leaves one id of each session among these. A session has several that live while it gets a new
/// one, or if two requests gave it one at the same moment. Each names another id as its next, and
/// so on: if they are of one session, they come to the same id.
pub(super) fn leave_one_id_each(
    live: &mut HashMap<SessionKey, (UserLink, Activity)>,
    known: &HashMap<SessionKey, Activity>,
) {
    let mut taken = HashSet::new();
    live.retain(|key, (_, found)| {
        // An id that was started anew is another session, as its age shows.
        let began = found.created_at();
        let mut ids = HashSet::from([(*key, began)]);
        let mut next = found.next_id();
        while let Some(id) = next
            && ids.insert((id, began))
        {
            let behind = known.get(&id).filter(|behind| behind.created_at() == began);
            next = behind.and_then(Activity::next_id);
        }
        let is_first = ids.is_disjoint(&taken);
        taken.extend(ids);
        is_first
    });
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many sessions are left of ids of which each names its next.
    fn left(live: &[(&str, Option<&str>)]) -> usize {
        left_among(live, &[])
    }

    /// As [`left`], with ids that were replaced.
    fn left_among(live: &[(&str, Option<&str>)], replaced: &[(&str, Option<&str>)]) -> usize {
        let record = |(id, next): &(&str, Option<&str>)| {
            let key = SessionKey::of(id);
            let link = UserLink::new(key, Timestamp::UNIX_EPOCH, "");
            let activity = Activity::began(Timestamp::UNIX_EPOCH);
            (link, activity.with_next_id(next.map(SessionKey::of)))
        };
        let live = live.iter().map(record);
        let known: Vec<_> = live
            .clone()
            .chain(replaced.iter().map(record))
            .map(|(link, found)| (link, Some(found)))
            .collect();
        let mut live = live.map(|each| (each.0.session(), each)).collect();
        leave_one_id_each(&mut live, &by_id(&known));
        live.len()
    }

    #[test]
    fn a_session_is_left_once_whatever_the_ring_looks_like() {
        assert_eq!(left(&[]), 0);
        assert_eq!(left(&[("a", None), ("b", None)]), 2);
        assert_eq!(left(&[("a", Some("gone")), ("b", Some("gone"))]), 1);
        assert_eq!(left(&[("a", Some("gone")), ("b", Some("also gone"))]), 2);
        assert_eq!(left(&[("a", Some("a"))]), 1);
        assert_eq!(left(&[("b", Some("a")), ("a", None)]), 1);
        let chain = [("c", Some("b")), ("b", Some("a")), ("a", Some("gone"))];
        assert_eq!(left(&chain), 1);
        // A new id has a record before the old one names it.
        assert_eq!(
            left_among(&[("b", Some("a")), ("c", Some("a"))], &[("a", Some("b"))]),
            1
        );
        // The replaced id has left the ring.
        assert_eq!(left(&[("a", Some("b")), ("b", Some("a"))]), 1);
        assert_eq!(
            left(&[("a", Some("b")), ("b", Some("c")), ("c", Some("a"))]),
            1
        );
    }
}
