//! Users: the hashes of their ids, and the links of sessions to them.

use std::fmt;

use crate::session::key::SessionKey;
use crate::session::time::Timestamp;

/// How many bytes of a label are kept.
const LONGEST_LABEL: usize = 256;

/// The hash of a user's id, by which stores know a user.
///
/// It is a keyed hash. Who reads the store cannot find out whose a session is by hashing all names
/// or addresses that could be. [`Users`](crate::Users) makes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey([u8; 16]);

impl UserKey {
    /// Returns the hash of this id under this secret.
    pub(crate) fn of(secret: &[u8; 32], user: &str) -> Self {
        let mut key = [0; 16];
        let hash = blake3::keyed_hash(secret, user.as_bytes());
        key.copy_from_slice(&hash.as_bytes()[..16]);
        Self(key)
    }

    /// Creates a key from its 16 bytes, for a store of your own.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the 16 bytes, for a store of your own.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// Shows the first 8 hex digits.
impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "UserKey({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// The link of one session to its user, as stores keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLink {
    session: SessionKey,
    linked_at: Timestamp,
    label: String,
}

impl UserLink {
    /// Creates a link. Of the label, the first 256 bytes are kept, and no half character.
    #[must_use]
    pub fn new(session: SessionKey, linked_at: Timestamp, label: impl Into<String>) -> Self {
        let mut label = label.into();
        let whole = |end: &usize| label.is_char_boundary(*end);
        let end = (0..=LONGEST_LABEL.min(label.len())).rev().find(whole);
        label.truncate(end.unwrap_or(0));
        Self {
            session,
            linked_at,
            label,
        }
    }

    /// Returns the key of the session.
    #[must_use]
    pub const fn session(&self) -> SessionKey {
        self.session
    }

    /// Returns when the link was made.
    #[must_use]
    pub const fn linked_at(&self) -> Timestamp {
        self.linked_at
    }

    /// Returns the application's label of the session, such as the name of a device.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_another_key_under_another_secret() {
        let key = UserKey::of(&[1; 32], "ada");
        assert_eq!(key, UserKey::of(&[1; 32], "ada"));
        assert_ne!(key, UserKey::of(&[2; 32], "ada"));
        assert_ne!(key, UserKey::of(&[1; 32], "Ada"));
        let shown = format!("{key:?}");
        assert_eq!(shown.chars().count(), "UserKey(00000000…)".len() - 2);
    }

    #[test]
    fn a_long_label_is_cut_between_characters() {
        let key = SessionKey::of("sesame");
        let label = |text: &str| {
            UserLink::new(key, Timestamp::UNIX_EPOCH, text)
                .label()
                .len()
        };
        assert_eq!(label(""), 0);
        assert_eq!(label(&"a".repeat(256)), 256);
        assert_eq!(label(&"a".repeat(300)), 256);
        assert_eq!(label(&"€".repeat(100)), 255);
    }
}
