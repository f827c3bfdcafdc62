//! The end of a session that may have several ids.
//!
//! A session's ids form a ring: each record names the next one ([`Activity::next_id`]). The ring is
//! changed and walked with operations on one record each, so that stores need no transactions and
//! the records may lie on different servers. It holds together for one reason: every insertion is
//! an atomic step on a record that is live, and every walk marks a record as revoked in the same
//! atomic step in which it reads where to go on. So either the insertion came first, and the walk
//! finds the new id; or the walk came first, and the insertion finds a revoked record and ends the
//! new id itself.

use std::collections::HashSet;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::timeout::WithTimeout;

/// How many ids of one session a walk goes through. Ids that were replaced long ago leave the ring,
/// but each still names the one that followed it. So from the id of the log-in, there are as many
/// as the application has handed out.
pub(crate) const MOST_IDS: usize = 1 << 16;

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
    let mut ended = HashSet::from([key]);
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
        ended.insert(key);
        next = before.next_id();
    }
    Ok(Some(first))
}
