//! The end and the rotation of a session that may have several ids.
//!
//! A session's ids form a ring: each record names the next one ([`Activity::next_id`]). The ring is
//! changed and walked with operations on one record each, so that stores need no transactions and
//! the records may lie on different servers. It holds together for one reason: every insertion is
//! an atomic step on a record that is live, and every walk marks a record as revoked in the same
//! atomic step in which it reads where to go on. So either the insertion came first, and the walk
//! finds the new id; or the walk came first, and the insertion finds a revoked record and ends the
//! new id itself.

use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::session::verdict::Verdict;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::timeout::WithTimeout;

/// How many ids of one session a log-out ends. Long replaced ids leave the ring, so this is more
/// than an application hands out within two overlaps.
const MOST_IDS: usize = 256;

/// How many long replaced ids a rotation takes out of the ring. It inserts one, so the ring shrinks
/// while there are more.
const MOST_SKIPPED: usize = 4;

/// How often a rotation starts again because another one of the same session came first.
const MOST_ATTEMPTS: usize = 8;

/// Ends the session under all its ids. Returns the record that the given one had, if the store knew
/// it.
pub(crate) async fn end<St: ActivityStore>(
    store: &St,
    policy: &Policy,
    key: SessionKey,
    now: Timestamp,
) -> Result<Option<Activity>, StoreError> {
    let timeout = policy.store_timeout();
    let keep_until = policy.keep_revoked_until(now);
    let revoke = |key| WithTimeout::new(store.revoke(key, keep_until), timeout);
    let Some(first) = revoke(key).await? else {
        return Ok(None);
    };
    let mut ended = vec![key];
    let mut next = first.next_id();
    while let Some(key) = next
        && !ended.contains(&key)
        && ended.len() < MOST_IDS
    {
        let found = WithTimeout::new(store.load(key), timeout).await?;
        // An id that was started anew since is another session, as its age shows.
        let Some(found) = found.filter(|found| found.created_at() == first.created_at()) else {
            break;
        };
        let before = revoke(key).await?.unwrap_or(found);
        ended.push(key);
        next = before.next_id();
    }
    Ok(Some(first))
}

/// A rotation: the application gives a live session a new id.
pub(crate) struct Rotation {
    pub(crate) old: SessionKey,
    pub(crate) new: SessionKey,
    /// The session's limits from now on, if the application set any.
    pub(crate) limits: Option<Limits>,
    pub(crate) now: Timestamp,
    /// When the request was active that caused it, unless it was passive.
    pub(crate) active_at: Option<Timestamp>,
}

impl Rotation {
    /// Continues the session under the new id, as old as it is. If the session has ended meanwhile,
    /// so has the new id. Returns whether this call made the new id one of a live session.
    pub(crate) async fn record<St: ActivityStore>(
        &self,
        store: &St,
        policy: &Policy,
    ) -> Result<bool, StoreError> {
        let timeout = policy.store_timeout();
        let load = |key| WithTimeout::new(store.load(key), timeout);
        // A record that is gone has ended: the new id stays unknown.
        let Some(mut old) = load(self.old).await? else {
            return Ok(false);
        };
        if old.next_id() == Some(self.new) {
            return Ok(false);
        }
        let is_live = |activity: &Activity| {
            let verdict = policy.decide(Some(*activity), self.now);
            matches!(verdict, Verdict::Active { .. })
        };
        let mut next = self.next_of(&old, store, policy).await?;
        let continued = self.continued(&old, is_live(&old)).with_next_id(Some(next));
        let begin = store.begin(self.new, continued, policy.keep_until(&continued));
        let found = WithTimeout::new(begin, timeout).await?;
        if found != continued || !is_live(&old) {
            // Another request gave the session this id already, or there is nothing to link it to.
            return Ok(false);
        }
        for _ in 0..MOST_ATTEMPTS {
            let replace = Change::replace_id(*policy, self.now, old.next_id(), self.new);
            let change = store.change(self.old, replace);
            let before = WithTimeout::new(change, timeout).await?;
            match before {
                Some(before) if replace.applies_to(&before) => return Ok(true),
                Some(before) if before.next_id() == Some(self.new) => return Ok(false),
                Some(before) if is_live(&before) => old = before,
                Some(_) | None => break,
            }
            // Another rotation came first. The new id goes in front of the id that it inserted.
            let behind = old.next_id().unwrap_or(self.old);
            let link = Change::link(*policy, self.now, Some(next), behind);
            WithTimeout::new(store.change(self.new, link), timeout).await?;
            next = behind;
        }
        // The session ended under its old id while this was on its way.
        end(store, policy, self.new, self.now).await?;
        Ok(false)
    }

    /// Returns the record of the new id. If the session has ended, so has the new id.
    fn continued(&self, old: &Activity, is_live: bool) -> Activity {
        if !is_live {
            return *old;
        }
        let active = self.active_at.map_or(*old, |at| old.active_at(at));
        let limits = self.limits.unwrap_or(old.limits());
        Activity::began(old.created_at())
            .active_at(active.last_activity())
            .with_limits(limits)
    }

    /// Returns the id that comes behind the new one in the ring: the next one that was not replaced
    /// long ago.
    async fn next_of<St: ActivityStore>(
        &self,
        old: &Activity,
        store: &St,
        policy: &Policy,
    ) -> Result<SessionKey, StoreError> {
        let mut next = old.next_id().unwrap_or(self.old);
        for _ in 0..MOST_SKIPPED {
            if next == self.old {
                break;
            }
            let load = WithTimeout::new(store.load(next), policy.store_timeout());
            next = match load.await? {
                Some(found) if !policy.is_long_replaced(&found, self.now) => break,
                Some(found) => found.next_id().unwrap_or(self.old),
                None => self.old,
            };
        }
        Ok(next)
    }
}
