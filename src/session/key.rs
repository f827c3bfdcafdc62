//! Session keys: the hashes of session ids.

use std::fmt;

use crate::session::canonical::canonical;

/// The 128-bit BLAKE3 hash of a session id: the only form in which a session is stored, logged or
/// compared.
///
/// A hash does not lead back to the id. So a reader of the store cannot act as anybody, provided
/// that the ids cannot be guessed: [ASVS 5.0, 7.2.3] asks for 128 random bits. `Debug` shows the
/// first 8 hex digits, enough to follow one session through a log.
///
/// # Spellings of one id
///
/// An application sees an id decoded, and the wire carries it encoded. Both are the same session,
/// so an id is brought into one form before it is hashed: `%hh` is decoded until nothing is left to
/// decode, a space becomes `+`, and double quotes around the whole are taken off.
///
/// ```
/// use tower_login_timeout::SessionKey;
///
/// let key = SessionKey::of("an id that nobody should see");
/// assert_eq!(key, SessionKey::of(b"an id that nobody should see"));
/// assert_eq!(format!("{key:?}").len(), "SessionKey(00000000…)".len());
/// assert_eq!(SessionKey::of("QUJD+%2F%3D"), SessionKey::of("QUJD+/="));
/// ```
///
/// [ASVS 5.0, 7.2.3]: https://github.com/OWASP/ASVS/blob/v5.0.0/5.0/en/0x16-V7-Session-Management.md
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// Returns the key of a session id. Ids are opaque: any bytes will do.
    #[inline]
    #[must_use]
    pub fn of(id: impl AsRef<[u8]>) -> Self {
        Self::of_canonical(&canonical(id.as_ref()))
    }

    /// Returns the key of an id that was presented, unless nothing is left of it in its canonical
    /// form.
    #[inline]
    pub(crate) fn of_presented(id: &[u8]) -> Option<Self> {
        let id = canonical(id);
        (!id.is_empty()).then(|| Self::of_canonical(&id))
    }

    /// Returns the key of an id in its canonical form.
    pub(crate) fn of_canonical(id: &[u8]) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(id).as_bytes()[..16]);
        Self(key)
    }

    /// Returns the key of the record of a visitor who presents this id and has not logged in.
    ///
    /// No id has it as its own key: the hash is that of another context.
    pub(crate) fn of_visitor(self) -> Self {
        let derived = blake3::derive_key("tower-login-timeout visitor 2026", &self.0);
        let mut key = [0; 16];
        key.copy_from_slice(&derived[..16]);
        Self(key)
    }

    /// Restores a key that a store has kept, from [`SessionKey::to_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes for a store to keep.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// Hashes an id.
impl From<&str> for SessionKey {
    fn from(id: &str) -> Self {
        Self::of(id)
    }
}

/// Hashes an id.
impl From<&String> for SessionKey {
    fn from(id: &String) -> Self {
        Self::of(id)
    }
}

/// Hashes an id.
impl From<String> for SessionKey {
    fn from(id: String) -> Self {
        Self::of(id)
    }
}

/// Hashes an id.
impl From<&[u8]> for SessionKey {
    fn from(id: &[u8]) -> Self {
        Self::of(id)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "SessionKey({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_first_half_of_the_published_blake3_hash() {
        // The BLAKE3 test vector for the empty input.
        let expected = [
            0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc,
            0xc9, 0x49,
        ];
        assert_eq!(SessionKey::of("").to_bytes(), expected);
    }

    #[test]
    fn debug_shows_neither_the_id_nor_the_whole_key() {
        assert_eq!(format!("{:?}", SessionKey::of("")), "SessionKey(af1349b9…)");
    }
}
