//! The outcome of writing what a response changes.

use crate::session::activity::Activity;
use crate::store::error::StoreError;

/// The outcome of a write.
pub(super) enum Recorded {
    /// The presented session goes on, last known like this.
    GoesOn(Activity),
    /// The client was given another id, and the presented session does not go on under it.
    Replaced,
    /// The presented session is gone.
    Gone,
}

/// A write that failed.
pub(super) enum NotRecorded {
    /// The client would hold an id that is not tracked.
    LogIn(StoreError),
    /// The client would believe in a log-out that did not happen.
    LogOut(StoreError),
    /// The session may end early by the time that this one request took.
    LateActivity(StoreError),
}
