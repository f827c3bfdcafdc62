//! A store's log of changes, as a near cache reads it.

use crate::session::key::SessionKey;

/// A position in a store's log of changes. Only the store that returned it can read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogPosition(Box<[u8]>);

impl LogPosition {
    /// Creates a position from bytes that the store chooses.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes that the store chose.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a store's log of changes answers to
/// [`changes_since`](crate::SharedStore::changes_since).
///
/// ```
/// use tower_login_timeout::{Changed, Changes, LogPosition, SessionKey};
///
/// let end = LogPosition::from_bytes(*b"17");
/// let changes = Changes::these(vec![SessionKey::of("sesame")], end.clone());
/// assert_eq!(changes.changed(), &Changed::These(vec![SessionKey::of("sesame")]));
/// assert_eq!(changes.position(), &end);
/// assert_eq!(Changes::any(end).changed(), &Changed::Any);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    changed: Changed,
    position: LogPosition,
    more: bool,
}

/// Which sessions have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changed {
    /// These sessions, and no others. One may be named twice, or again in the next answer.
    These(Vec<SessionKey>),
    /// Any session may have changed: the log does not go back to the position.
    Any,
}

impl Changes {
    /// Creates the answer that these sessions have changed, and that the next read starts at this
    /// position.
    #[must_use]
    pub const fn these(keys: Vec<SessionKey>, position: LogPosition) -> Self {
        Self {
            changed: Changed::These(keys),
            position,
            more: false,
        }
    }

    /// Creates the answer that any session may have changed, and that the next read starts at this
    /// position.
    #[must_use]
    pub const fn any(position: LogPosition) -> Self {
        Self {
            changed: Changed::Any,
            position,
            more: false,
        }
    }

    /// Says that the log goes on behind the position. The caller reads again at once.
    #[must_use]
    pub fn with_more(mut self) -> Self {
        self.more = true;
        self
    }

    /// Returns which sessions have changed.
    #[must_use]
    pub const fn changed(&self) -> &Changed {
        &self.changed
    }

    /// Returns the position at which the next read starts.
    #[must_use]
    pub const fn position(&self) -> &LogPosition {
        &self.position
    }

    /// Returns whether the log goes on behind the position.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.more
    }
}
