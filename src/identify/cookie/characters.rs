//! The ways in which parsers read the characters of a value.

use memchr::memmem;

use crate::session::canonical::from_hex;

/// Returns what Express's cookie-parser reads if a value begins with `j:`. If that is a text, the
/// application gets it.
pub(super) fn from_json(value: &[u8]) -> Option<Vec<u8>> {
    let json = value.strip_prefix(b"j:")?.trim_ascii();
    if !matches!(json, [b'"', .., b'"']) {
        return Some(json.to_vec());
    }
    let json =
        memmem::find(json, b"\\u").map_or_else(|| json.to_vec(), |_| from_utf16(json, b'\\'));
    Some(unescaped(&json, false))
}

/// Undoes backslashes: `\b` is `b`, and `\101` is `A` if octal digits count.
pub(super) fn unescaped(text: &[u8], octal: bool) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        plain.push(match *byte {
            b'\\' => match *behind {
                [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if octal => {
                    rest = &behind[3..];
                    (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')
                }
                [escaped, ..] => {
                    rest = &behind[1..];
                    escaped
                }
                [] => b'\\',
            },
            byte => byte,
        });
    }
    plain
}

pub(super) fn from_latin(text: &[u8]) -> Vec<u8> {
    let text: String = text.iter().copied().map(char::from).collect();
    text.into_bytes()
}

pub(super) fn lossy(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).into_owned().into_bytes()
}

/// Decodes UTF-8 as Java does, to which the three bytes of a surrogate are one mistake and not
/// three.
pub(super) fn lossy_in_java(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, behind @ ..] = rest {
        if let [0xED, 0xA0..=0xBF, 0x80..=0xBF, behind @ ..] = rest {
            decoded.extend_from_slice("\u{FFFD}".as_bytes());
            rest = behind;
        } else {
            decoded.push(*byte);
            rest = behind;
        }
    }
    lossy(&decoded)
}

/// Decodes each `%hh` once.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        decoded.push(match *byte {
            b'%' if let [high, low, behind @ ..] = behind
                && let Some(byte) = from_hex(*high, *low) =>
            {
                rest = behind;
                byte
            }
            byte => byte,
        });
    }
    decoded
}

/// Decodes each `%uhhhh`, or `\uhhhh`, once. Two of them may be one character.
pub(super) fn from_utf16(text: &[u8], escape: u8) -> Vec<u8> {
    let unit = |text: &[u8]| match *text {
        [first, b'u' | b'U', a, b, c, d, ..] if first == escape => {
            Some(u16::from_be_bytes([from_hex(a, b)?, from_hex(c, d)?]))
        }
        _ => None,
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, behind @ ..] = rest {
        if let Some(first) = unit(rest) {
            let second = unit(&rest[6..]).into_iter();
            let mut characters = char::decode_utf16([first].into_iter().chain(second));
            let character = characters.next().and_then(Result::ok).unwrap_or('\u{FFFD}');
            decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[6 * character.len_utf16()..];
        } else {
            decoded.push(*byte);
            rest = behind;
        }
    }
    decoded
}

/// A kind of white space. Each parser takes off some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blank {
    Space,
    Control,
    NextLine,
    NoBreakSpace,
    Unicode,
}

/// Returns the white space that a text begins with, in latin-1 or UTF-8, and its length.
pub(super) fn blank(text: &[u8]) -> Option<(Blank, usize)> {
    match *text {
        [b' ', ..] => Some((Blank::Space, 1)),
        [b'\t'..=b'\r' | 0x1C..=0x1F, ..] => Some((Blank::Control, 1)),
        [0x85, ..] => Some((Blank::NextLine, 1)),
        [0xA0, ..] => Some((Blank::NoBreakSpace, 1)),
        [0xC2, 0x85 | 0xA0, ..] => Some((Blank::Unicode, 2)),
        [0xE1, 0x9A, 0x80, ..]
        | [0xE2, 0x80, 0x80..=0x8A | 0xA8 | 0xA9 | 0xAF, ..]
        | [0xE2, 0x81, 0x9F, ..]
        | [0xE3, 0x80, 0x80, ..] => Some((Blank::Unicode, 3)),
        _ => None,
    }
}

/// Returns the white space that a text ends with, in UTF-8 or latin-1, and its length.
pub(super) fn blank_behind(text: &[u8]) -> Option<(Blank, usize)> {
    [3, 2, 1].into_iter().find_map(|length| {
        let end = &text[text.len().checked_sub(length)?..];
        blank(end).filter(|&(_, found)| found == length)
    })
}
