//! The contract of a store that several nodes share.

use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::change_log::{Changes, LogPosition};

/// A store that several nodes share. A near cache can stand in front of it.
pub trait SharedStore: ActivityStore {
    /// Writes many touches in as few round trips as it can. Each follows the rules of
    /// [`ActivityStore::touch`]. Returns the records that it found, *as they were*, with their keys,
    /// in any order.
    ///
    /// A record that cannot be read is not among them, and does not fail the others. So a key that
    /// is missing in the answer is either unknown or unreadable.
    ///
    /// The touches are sorted by key, and each key occurs once. Two nodes that lock records in this
    /// order do not deadlock.
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Self::Future<Vec<(SessionKey, Activity)>>;

    /// Returns the sessions that have changed since a position in the log of changes, and the
    /// position of the next read.
    ///
    /// The log holds the keys of records that changed by anything but activity, on any node: that
    /// were revoked or [changed](ActivityStore::change), or replaced by
    /// [`create`](ActivityStore::create). It keeps these rules:
    ///
    /// 1. A change is in the log when the operation that made it has returned, and never before the
    ///    changed record can be read. The position may name a change that is older, so that the
    ///    next read returns its key again.
    /// 2. Where the log does not go back to the position, the answer is
    ///    [`Changed::Any`](crate::Changed::Any): it was cut, or the store was restored or replaced
    ///    by one that is behind.
    /// 3. `None` stands for no position. The answer is `Changed::Any` and the end of the log.
    ///
    /// A store may change a record and its log in two steps. Then a node that dies between them
    /// leaves a change that is in no log. A near cache checks each session once a minute for this
    /// reason.
    fn changes_since(&self, position: Option<LogPosition>) -> Self::Future<Changes>;

    /// Returns how often a near cache should read the log of changes. The default is once a second.
    fn read_changes_every(&self) -> Duration {
        Duration::from_secs(1)
    }
}
