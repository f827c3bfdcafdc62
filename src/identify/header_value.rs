//! The ids that different readers may find in a header's value.

use crate::session::key::SessionKey;

/// Returns the ids that a reader may find in a value: the whole, and each part between separators.
///
/// Readers differ in what ends an id: white space, a comma, which joins values, a semicolon,
/// quotes. Bytes beyond ASCII are white space to some, and letters in Latin-1 to others.
pub(super) fn readings(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let value = value.trim_ascii();
    let whole = [value.to_vec(), from_latin1(value)].into_iter();
    let parts = value
        .split(|byte| !byte.is_ascii_graphic() || b",;:\"\\".contains(byte))
        .map(<[u8]>::to_vec);
    whole.chain(parts).filter(|id| !id.is_empty())
}

/// Returns whether no reader finds one of the ended ids in this one.
pub(super) fn is_safe(id: &[u8], ended: &[SessionKey]) -> bool {
    ended.is_empty() || !readings(id).any(|reading| ended.contains(&SessionKey::of(reading)))
}

/// Returns the value as a reader has it in UTF-8 that takes each byte for a character of Latin-1.
fn from_latin1(value: &[u8]) -> Vec<u8> {
    let text: String = value.iter().map(|byte| char::from(*byte)).collect();
    text.into_bytes()
}
