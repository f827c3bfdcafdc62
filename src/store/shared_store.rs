//! The contract of a store that several nodes share.

use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::change_log::{Changes, LogPosition};

/// Names a session, with what [`SharedStore::touch_many`] found: its record as it was, or why it
/// was not touched.
pub type TouchAnswer<E> = (SessionKey, Result<Activity, E>);

/// A store that several nodes share. A near cache can stand in front of it.
pub trait SharedStore: ActivityStore {
    /// Writes many touches in as few round trips as it can. Each follows the rules of
    /// [`ActivityStore::touch`]. Returns the keys of the records that it found, in any order, each
    /// with the record *as it was*.
    ///
    /// A store with several servers may lose one of them. Then the keys of its records come with an
    /// error each, and the other touches are written. A near cache asks for the former again.
    ///
    /// A malformed record is not in the answer, and does not fail the others. It would fail again
    /// however often it is touched. So a missing key is either unknown or malformed.
    ///
    /// The touches are sorted by key, and each key occurs once. Two nodes that lock records in this
    /// order do not deadlock.
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Self::Future<Vec<TouchAnswer<Self::Error>>>;

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
