//! The first digits of a session's key.

use std::fmt;

use crate::session::key::SessionKey;

/// The first eight hexadecimal digits of a [`SessionKey`], to find the log lines of one session.
///
/// It is 32 bits of a hash of the id. So it neither reveals the id nor finds the session in a
/// store, and in rare cases two sessions share it.
///
/// ```
/// use tower_login_timeout::{KeyPrefix, SessionKey};
///
/// let prefix = KeyPrefix::from(SessionKey::of("sesame"));
/// assert_eq!(prefix.to_string(), "cdf66f79");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyPrefix([u8; 4]);

impl From<SessionKey> for KeyPrefix {
    fn from(key: SessionKey) -> Self {
        let [first, second, third, fourth, ..] = key.to_bytes();
        Self([first, second, third, fourth])
    }
}

/// Shows what the [`SessionKey`] shows.
impl fmt::Debug for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self}…)")
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}
