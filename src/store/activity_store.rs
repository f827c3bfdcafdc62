//! The contract of every store.

use std::error::Error;
use std::future::Future;

use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// Any error of a store.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A store of session activity.
///
/// A clone is another handle to the same store. Every store keeps this contract:
///
/// 1. [`touch`](ActivityStore::touch) never creates a record, never moves last activity backwards,
///    and never changes a session that has expired or was revoked.
///    [`change`](ActivityStore::change) neither.
/// 2. Time comes in as an argument. A store never asks a clock. `keep_until` is housekeeping and
///    never the verdict, which is [`Policy::decide`](crate::Policy::decide)'s alone. A record may
///    be removed at that moment or later, and never before, except to stay within a capacity. Then
///    revoked records go last.
/// 3. [`create`](ActivityStore::create) writes the whole record and replaces what was there.
///    [`begin`](ActivityStore::begin) writes only where nothing was.
/// 4. A record is returned as it was written, every field of [`Activity`] included.
/// 5. An operation that is dropped half-way leaves the record whole, and leaks nothing.
/// 6. Records are removed after `keep_until` without a sweeper that the application has to start.
/// 7. Errors are errors. A store that fails never answers that it knows nothing.
///
/// The associated future lets a store that answers at once do so without an allocation:
/// [`MemoryStore`](crate::MemoryStore)'s is [`std::future::Ready`]. A networked store's is one
/// boxed future.
pub trait ActivityStore: Clone + Send + Sync + 'static {
    /// The store's error.
    type Error: Into<BoxError> + Send + 'static;

    /// The future of every operation. The layer polls it once before it makes anything wait for it.
    /// Hence `Unpin`, as `Ready` and boxes are.
    type Future<T: Send + 'static>: Future<Output = Result<T, Self::Error>> + Send + Unpin + 'static;

    /// Writes this record and replaces what was there. Only the application's own word leads to it
    /// ([`Tracker::start`](crate::Tracker::start)).
    fn create(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<()>;

    /// Writes this record if there is none yet, in one atomic step. Returns the record that is
    /// there now.
    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<Activity>;

    /// Returns the record, if there is one.
    fn load(&self, key: SessionKey) -> Self::Future<Option<Activity>>;

    /// Moves last activity forward where [`Touch::applies_to`] says so. Returns the record *as it
    /// was*.
    ///
    /// A networked store answers in one round trip where nothing is due. The move itself is one
    /// atomic step on the store, and may be a second trip.
    fn touch(&self, key: SessionKey, touch: Touch) -> Self::Future<Option<Activity>>;

    /// Changes the record where [`Change::applies_to`] says so, in one atomic step. Returns the
    /// record *as it was*.
    ///
    /// The removal moves to [`Change::keep_until`] if that is later.
    fn change(&self, key: SessionKey, change: Change) -> Self::Future<Option<Activity>>;

    /// Marks the record as revoked, for good, and moves its removal to `keep_until` if that is
    /// later. Returns the record *as it was*, if there was one.
    ///
    /// It never creates a record, so that made-up ids cannot fill the store.
    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Self::Future<Option<Activity>>;
}
