//! The error for a reason phrase that cannot stand in a status line.

use std::error::Error;
use std::fmt;

/// Refuses a reason phrase that cannot stand in a status line.
///
/// ```
/// use tower_login_timeout::LoginTimeoutResponse;
///
/// let error = LoginTimeoutResponse::new().with_phrase("Over\r\nx-evil: yes").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "\"Over\\r\\nx-evil: yes\" cannot be a reason phrase: \
///      leave out line ends and other control characters",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhraseError(String);

/// Checks that a reason phrase can stand in a status line (RFC 9112, 4).
pub(super) fn checked(phrase: String) -> Result<String, PhraseError> {
    if phrase.bytes().all(is_phrase_byte) {
        Ok(phrase)
    } else {
        Err(PhraseError(phrase))
    }
}

impl fmt::Display for PhraseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} cannot be a reason phrase: leave out line ends and other control characters",
            self.0
        )
    }
}

impl Error for PhraseError {}

fn is_phrase_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
