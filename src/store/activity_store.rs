//! What do we remember?

use std::error::Error;
use std::future::Future;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// Any error of a store.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Where activity is remembered.
///
/// A clone is another handle to the same store. Every store keeps this contract:
///
/// 1. [`touch`](ActivityStore::touch) never creates a record, never moves last activity backwards, and never changes a
///    session that has expired or was revoked.
/// 2. Time comes in as an argument; a store never asks a clock. `keep_until` is housekeeping, never the verdict, which is
///    [`Policy::decide`](crate::Policy::decide)'s alone: a record may be removed at that moment or later, never before, except to stay
///    within a capacity.
/// 3. [`create`](ActivityStore::create) writes the whole record, replacing what was there.
///    [`begin`](ActivityStore::begin) writes only where nothing was.
/// 4. An operation that is dropped half-way leaves the record whole, and leaks nothing.
/// 5. Records are removed after `keep_until` without anyone starting a sweeper.
/// 6. Errors are errors: a store that fails never answers that it knows nothing.
///
/// The associated future lets a store that answers at once do so without an allocation:
/// [`MemoryStore`](crate::MemoryStore)'s is [`std::future::Ready`]. A networked store's is one boxed future.
pub trait ActivityStore: Clone + Send + Sync + 'static {
    /// What can go wrong.
    type Error: Into<BoxError>;

    /// What every operation returns. It is polled once before anything is made ready to wait for it, hence `Unpin`, as `Ready` and boxes are.
    type Future<T: Send + 'static>: Future<Output = Result<T, Self::Error>> + Send + Unpin + 'static;

    /// Writes this record, replacing what was there: the application issues the id.
    fn create(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<()>;

    /// Writes this record if there is none yet, in one atomic step, and returns the record that is there now.
    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<Activity>;

    /// The record, unless there is none.
    fn load(&self, key: SessionKey) -> Self::Future<Option<Activity>>;

    /// The record *as it was*, after moving its last activity forward where [`Touch::applies_to`] it.
    ///
    /// A networked store answers in one round trip where nothing is due. The move itself is one atomic step on the store,
    /// and may be a second trip.
    fn touch(&self, key: SessionKey, touch: Touch) -> Self::Future<Option<Activity>>;

    /// Marks the record as revoked, for good, and moves its removal to `keep_until` if that is later. Answers whether there was a
    /// record.
    ///
    /// It never creates one, so that made-up ids cannot fill the store.
    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Self::Future<bool>;
}
