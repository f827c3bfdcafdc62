//! The log of changes where nothing can read it.

use crate::session::key::SessionKey;

/// Notes nothing.
pub(super) struct ChangeLog;

impl ChangeLog {
    pub(super) const fn new() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "it stands for the log that can be read")]
    pub(super) fn note(&self, _: SessionKey) {}
}
