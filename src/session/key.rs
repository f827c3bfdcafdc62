//! What is a session called, once its id is hashed?

use std::fmt;

/// The 128-bit BLAKE3 hash of a session id: the only form in which a session is stored, logged or compared.
///
/// Who reads the store cannot act as anybody, since a hash does not lead back to the id. That holds for ids that cannot be
/// guessed, such as the 128 random bits that [ASVS 5.0, 7.2.3] asks for. `Debug` shows the first 8 hex digits, enough to follow one session
/// through a log.
///
/// ```
/// use tower_login_timeout::SessionKey;
///
/// let key = SessionKey::of("an id that nobody should see");
/// assert_eq!(key, SessionKey::of(b"an id that nobody should see"));
/// assert_eq!(format!("{key:?}").len(), "SessionKey(00000000…)".len());
/// ```
///
/// [ASVS 5.0, 7.2.3]: https://github.com/OWASP/ASVS/blob/v5.0.0/5.0/en/0x16-V7-Session-Management.md
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// The key of a session id. Ids are opaque: any bytes will do.
    #[must_use]
    pub fn of(id: impl AsRef<[u8]>) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(id.as_ref()).as_bytes()[..16]);
        Self(key)
    }

    /// The key that a store has kept, from [`SessionKey::to_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key for a store to keep.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// The key of an id.
impl From<&str> for SessionKey {
    fn from(id: &str) -> Self {
        Self::of(id)
    }
}

/// The key of an id.
impl From<&String> for SessionKey {
    fn from(id: &String) -> Self {
        Self::of(id)
    }
}

/// The key of an id.
impl From<String> for SessionKey {
    fn from(id: String) -> Self {
        Self::of(id)
    }
}

/// The key of an id.
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
