//! The values that every parser reads alike.

use memchr::{memchr, memchr_iter};

/// Returns the value up to its `;`, if every parser reads it so and as one id.
///
/// A `%` is plain if what it stands for is ASCII: others are decoded as UTF-8 by some and not at
/// all by others. It is not plain at the beginning, so that a plain value has an id that is not
/// empty, nor in `j%3A`, which means JSON to Express.
pub(super) fn plain(text: &[u8]) -> Option<&[u8]> {
    let value = upto_semicolon(text);
    let kinds = all_kinds(value);
    let is_ascii = |at| matches!(value.get(at + 1), Some(b'0'..=b'7'));
    let is_plain = kinds == 0
        || kinds == PERCENT
            && !matches!(value, [b'%', ..] | [b'j', b'%', ..])
            && memchr_iter(b'%', value).all(is_ascii);
    is_plain.then_some(value)
}

/// Returns the value up to its `;`, if it has none but the characters of which most ids are made.
/// Such a value is read alike by every parser, and it is its own canonical form.
///
/// It is the longest part of reading a plain header, so sixteen bytes are looked at in one go.
#[inline]
pub(super) fn common(text: &[u8]) -> Option<&[u8]> {
    // The session's cookie is often the last one, and then nothing has to be searched for.
    let value = if text.len() <= 64 && are_common(text) {
        return (!text.is_empty()).then_some(text);
    } else {
        upto_semicolon(text)
    };
    (value.len() < text.len() && !value.is_empty() && are_common(value)).then_some(value)
}

/// Returns whether the value is followed by nothing, by white space or by a pair. To WEBrick and
/// BlackSheep, the `;` in `sid=A;B` belongs to the value.
#[inline]
pub(super) fn is_before_pair(text: &[u8]) -> bool {
    match memchr(b';', text) {
        None => true,
        Some(end) => match text[end + 1..].trim_ascii_end() {
            [] => false,
            [b' ', ..] => true,
            behind => memchr(b'=', upto_semicolon(behind)).is_some(),
        },
    }
}

fn are_common(text: &[u8]) -> bool {
    let all = |chunk: &[u8]| chunk.iter().fold(true, |all, byte| all & is_common(*byte));
    let (chunks, rest) = text.as_chunks::<16>();
    let rest_is_common = match text.last_chunk::<16>() {
        // Looks at some bytes twice, which is quicker than at each of the rest alone.
        Some(last) => all(last),
        None => all(rest),
    };
    rest_is_common && chunks.iter().all(|chunk| all(chunk))
}

fn is_common(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let is_digit = byte.wrapping_sub(b'0') < 10;
    is_letter | is_digit | (byte == b'-') | (byte == b'_') | (byte == b'.')
}

/// Returns the bits of all bytes. It is the longest part of reading a plain header, so eight bytes
/// are looked at in one go.
fn all_kinds(text: &[u8]) -> u32 {
    let (words, rest) = text.as_chunks::<8>();
    let kind = |&byte: &u8| KINDS[usize::from(byte)];
    let in_words = words.iter().fold(0, |all, [a, b, c, d, e, f, g, h]| {
        all | kind(a) | kind(b) | kind(c) | kind(d) | kind(e) | kind(f) | kind(g) | kind(h)
    });
    rest.iter().fold(in_words, |all, byte| all | kind(byte))
}

/// The bit of `%` in [`KINDS`].
pub(super) const PERCENT: u32 = 1;

/// What each byte is in a value: 0 if no parser stops there, else the bit of its own kind.
pub(super) static KINDS: [u32; 256] = kinds();

const fn kinds() -> [u32; 256] {
    let separators = b"\"(),/:<=>?@[\\]{}& ;";
    let mut kinds = [0; 256];
    kinds[b'%' as usize] = PERCENT;
    let mut index = 0;
    while index < separators.len() {
        kinds[separators[index] as usize] = 2 << index;
        index += 1;
    }
    // Bytes that are not ASCII are of one kind, as are control characters.
    let mut byte = 0;
    while byte < kinds.len() {
        if byte >= 0x7F {
            kinds[byte] = 1 << 30;
        } else if byte < 0x20 {
            kinds[byte] = 1 << 31;
        }
        byte += 1;
    }
    kinds
}

/// Returns the text before the first semicolon.
pub(super) fn upto_semicolon(text: &[u8]) -> &[u8] {
    &text[..memchr(b';', text).unwrap_or(text.len())]
}
