//! The record of a visitor at a log-in under the visitor's id.
//!
//! A visitor's record has a key of its own, so a log-in writes two records:
//!
//! 1. The visitor gets the policy's limits.
//! 2. The user's session begins.
//! 3. The visitor ends.
//!
//! Requests look up the user's record first. A request that finds none, and then a visitor that has
//! ended or timed out, may have crossed the log-in. So it looks for the user's record again, which
//! is there by then. If the visitor ended first, such a request would be that of a stranger, and
//! the application would give the browser another id.
//!
//! A node may die before the last step. Then the visitor's record must not outlive the user's,
//! which is remembered for a while after its end. Nobody touches the visitor's record any more, and
//! since the first step it has no longer limits than the user's.

use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::timeout::WithTimeout;

/// Prepares a log-in under this id. Returns whether it is the id of a visitor who lives.
pub(crate) async fn prepare_log_in<St: ActivityStore>(
    store: &St,
    policy: &Policy,
    key: SessionKey,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let change = Change::set_limits(*policy, now, Limits::default());
    let before = store.change(key.of_visitor(), change);
    let before: Option<Activity> = WithTimeout::new(before, policy.store_timeout()).await?;
    Ok(before.is_some_and(|before| change.applies_to(&before)))
}

/// Ends the visitor who presented this id when a log-in gave another one, after the policy's
/// overlap.
///
/// Requests under way still present the id. Afterwards it is over: the application may have left
/// its session behind with the user in it.
pub(crate) async fn replace<St: ActivityStore>(
    store: &St,
    policy: &Policy,
    old: SessionKey,
    new: SessionKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let change = Change::replace_id(*policy, now, None, new.of_visitor());
    let change = store.change(old.of_visitor(), change);
    WithTimeout::new(change, policy.store_timeout()).await?;
    Ok(())
}

/// Ends the visitor who presents this id.
pub(crate) async fn end<St: ActivityStore>(
    store: &St,
    policy: &Policy,
    key: SessionKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let revoke = store.revoke(key.of_visitor(), policy.keep_revoked_until(now));
    WithTimeout::new(revoke, policy.store_timeout()).await?;
    Ok(())
}
