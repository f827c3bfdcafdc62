//! The rotation of a session: the application gives it a new id. `lifecycle.rs` says how the ids of
//! a session hold together.

use std::collections::HashSet;

use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::session::verdict::Verdict;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::lifecycle::{MOST_IDS, end};
use crate::store::timeout::WithTimeout;

/// How many long replaced ids a rotation takes out of the ring. It inserts one, so the ring shrinks
/// while there are more.
const MOST_SKIPPED: usize = 4;

/// How often a rotation tries to mark the old id as replaced while others change the ring.
const MOST_ATTEMPTS: usize = 8;

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
        let Some(old) = load(self.old).await? else {
            return Ok(false);
        };
        if old.next_id() == Some(self.new) {
            return Ok(false);
        }
        let behind = self.behind(&old, store, policy).await?;
        let is_live = self.is_live(&old, policy) && behind.is_live;
        let behind = behind.ids;
        let continued = self.continued(&old, is_live, behind.last().copied());
        let begin = store.begin(self.new, continued, policy.keep_until(&continued));
        let found = WithTimeout::new(begin, timeout).await?;
        let is_ours = found == continued;
        let behind = match found.next_id() {
            _ if is_ours => behind,
            // Another request gave the session this id already, and may have failed before it was
            // in the ring.
            Some(next) if found.created_at() == old.created_at() => vec![next],
            Some(_) | None => return Ok(false),
        };
        if old.is_revoked() && self.is_live(&found, policy) {
            // Another request was given this id and failed before it was in the ring. So the
            // log-out did not find it.
            end(store, policy, self.new, self.now).await?;
        }
        if !is_live || !self.is_live(&found, policy) {
            return Ok(false);
        }
        match self.insert(old, behind, store, policy).await? {
            Insertion::Done => Ok(is_ours),
            Insertion::Ended => {
                // The session ended under its old id while this was on its way.
                end(store, policy, self.new, self.now).await?;
                Ok(false)
            }
            Insertion::Failed if is_ours => {
                // A log-out would not find it. The session goes on under its other ids.
                let keep_until = policy.keep_revoked_until(self.now);
                WithTimeout::new(store.revoke(self.new, keep_until), timeout).await?;
                Ok(false)
            }
            Insertion::Failed => Ok(false),
        }
    }

    /// Puts the new id into the ring, in front of those ids.
    ///
    /// The record of the new id names the last of them already, and that is never changed here: two
    /// requests may be given one new id at once, and the one that is late must not turn it away
    /// from where the other has put it. So if other ids have come in between, the new one is put
    /// behind those.
    async fn insert<St: ActivityStore>(
        &self,
        old: Activity,
        mut behind: Vec<SessionKey>,
        store: &St,
        policy: &Policy,
    ) -> Result<Insertion, StoreError> {
        let timeout = policy.store_timeout();
        let (mut at, mut found) = (self.old, Some(old));
        let mut walked = HashSet::from([at]);
        for _ in 0..MOST_IDS {
            let is_same =
                |found: &Activity| found.created_at() == old.created_at() && !found.is_revoked();
            let Some(here) = found.filter(is_same) else {
                return Ok(Insertion::Ended);
            };
            let next = here.next_id().unwrap_or(self.old);
            if next == self.new {
                return self.replace_old(store, policy).await;
            }
            if behind.contains(&next) {
                let change = if at == self.old {
                    Change::replace_id(*policy, self.now, here.next_id(), self.new)
                } else {
                    Change::link(*policy, self.now, here.next_id(), self.new)
                };
                match WithTimeout::new(store.change(at, change), timeout).await? {
                    // Another rotation came first. The walk goes on from here.
                    Some(before) if before.next_id() != here.next_id() => {}
                    Some(before) if before.is_revoked() => return Ok(Insertion::Ended),
                    Some(before) if !change.applies_to(&before) => return Ok(Insertion::Failed),
                    Some(_) if at == self.old => return Ok(Insertion::Done),
                    Some(_) => return self.replace_old(store, policy).await,
                    None => return Ok(Insertion::Ended),
                }
            } else {
                if !walked.insert(next) {
                    // Another rotation has taken those ids out of the ring. But each still names
                    // the one that followed it.
                    let last = *behind.last().unwrap_or(&self.old);
                    let last = WithTimeout::new(store.load(last), timeout).await?;
                    let follower = last.and_then(|last| last.next_id());
                    let Some(follower) = follower.filter(|next| !behind.contains(next)) else {
                        return Ok(Insertion::Failed);
                    };
                    behind.push(follower);
                    walked.clear();
                }
                at = next;
            }
            found = WithTimeout::new(store.load(at), timeout).await?;
        }
        Ok(Insertion::Failed)
    }

    /// Marks the old id as replaced, where another rotation has not done so.
    async fn replace_old<St: ActivityStore>(
        &self,
        store: &St,
        policy: &Policy,
    ) -> Result<Insertion, StoreError> {
        let timeout = policy.store_timeout();
        for _ in 0..MOST_ATTEMPTS {
            let Some(old) = WithTimeout::new(store.load(self.old), timeout).await? else {
                break;
            };
            let Some(next) = old.next_id().filter(|_| old.replaced_at().is_none()) else {
                break;
            };
            let replace = Change::replace_id(*policy, self.now, Some(next), next);
            let before = WithTimeout::new(store.change(self.old, replace), timeout).await?;
            if before.is_none_or(|before| replace.applies_to(&before)) {
                break;
            }
        }
        Ok(Insertion::Done)
    }

    fn is_live(&self, activity: &Activity, policy: &Policy) -> bool {
        let verdict = policy.decide(Some(*activity), self.now);
        matches!(verdict, Verdict::Active { .. })
    }

    /// Returns the record of the new id. If the old one has ended, so has the new one, whatever the
    /// clocks of other nodes say, since it is not in the ring.
    fn continued(&self, old: &Activity, is_live: bool, next: Option<SessionKey>) -> Activity {
        if !is_live {
            return old.revoked().with_next_id(next);
        }
        let active = self.active_at.map_or(*old, |at| old.active_at(at));
        let limits = self.limits.unwrap_or(old.limits());
        Activity::began(old.created_at())
            .active_at(active.last_activity())
            .with_limits(limits)
            .with_next_id(next)
    }

    /// Returns the ids in front of which the new one comes: those that were replaced long ago and
    /// leave the ring, and the next one that stays.
    async fn behind<St: ActivityStore>(
        &self,
        old: &Activity,
        store: &St,
        policy: &Policy,
    ) -> Result<Behind, StoreError> {
        let mut next = old.next_id().unwrap_or(self.old);
        let mut behind = Behind {
            ids: vec![next],
            is_live: true,
        };
        for _ in 0..MOST_SKIPPED {
            if next == self.old {
                break;
            }
            let load = WithTimeout::new(store.load(next), policy.store_timeout());
            let found = load.await?;
            let is_same = |found: &&Activity| found.created_at() == old.created_at();
            if found
                .as_ref()
                .filter(is_same)
                .is_some_and(Activity::is_revoked)
            {
                behind.is_live = false;
            }
            next = match found {
                Some(found) if !policy.is_long_replaced(&found, self.now) => break,
                Some(found) => found.next_id().unwrap_or(self.old),
                None => self.old,
            };
            behind.ids.push(next);
        }
        Ok(behind)
    }
}

/// The ids in front of which a new one comes.
struct Behind {
    ids: Vec<SessionKey>,
    /// Whether none of them was revoked. A log-out may have missed the old id: a node whose clock
    /// is ahead has taken it out of the ring, and here it is not yet over.
    is_live: bool,
}

/// The outcome of putting a new id into the ring.
enum Insertion {
    /// It is in the ring.
    Done,
    /// The session has ended.
    Ended,
    /// The ring is broken, or the place for the new id is in it no more.
    Failed,
}
