//! The writing of a `Cookie` header in which all parsers read one id.

use http::HeaderValue;

use super::ids::Id;
use super::name::{self, Name};

/// How an id is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As it was presented, if a cookie's value may be so (RFC 6265, 4.1.1). Applications that do
    /// not decode know it so. But a few parsers cut `A=B` to `A`.
    AsPresented,
    /// With all characters encoded at which any parser would stop: `A%3DB`. Needed if what some
    /// parsers would cut it to is the id of a session that has ended.
    ///
    /// Two kinds of ids would still be read differently once they are decoded: those that are not
    /// UTF-8, and those that begin with `j:`, which are JSON to Express. So the bytes in question
    /// are encoded twice. What is left after one decoding is another spelling of the same id, and
    /// it is ASCII.
    Encoded,
}

/// Writes one `Cookie` line in which every parser reads this id for the cookie of this name, or
/// none. Returns `None` if nothing is left to write.
///
/// The id comes first, so that nothing before it can hide or change it. Foreign cookies follow as
/// they came, but for pairs in which a parser could find the name.
pub(super) fn rewrite<'a, 'n>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    name: impl Into<Name<'n>>,
    id: Option<(&Id<'_>, Spelling)>,
) -> Option<HeaderValue> {
    let name = name.into();
    let mut written = Vec::new();
    if let Some((id, spelling)) = id {
        written.extend_from_slice(name.as_bytes());
        written.push(b'=');
        write(id, spelling, &mut written);
    }
    for line in lines {
        if name::places(line, name) == name::Places::None {
            append(line, &mut written);
            continue;
        }
        for pair in line.split(|byte| *byte == b';') {
            if name::all_places(pair, name).next().is_none() {
                append(pair, &mut written);
            }
        }
    }
    if written.is_empty() {
        return None;
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(written)).ok()
}

fn write(id: &Id<'_>, spelling: Spelling, written: &mut Vec<u8>) {
    let as_presented = spelling == Spelling::AsPresented;
    if as_presented && id.spelling().iter().all(|&byte| is_octet(byte)) {
        written.extend_from_slice(id.spelling());
        return;
    }
    let is_utf8 = str::from_utf8(id.canonical()).is_ok();
    let is_json = id.canonical().starts_with(b"j:");
    for (at, &byte) in id.canonical().iter().enumerate() {
        let twice = !as_presented && (is_json && at == 0 || !is_utf8 && !byte.is_ascii());
        let stays = byte.is_ascii_alphanumeric()
            || b"._~!#$'*^`|-+".contains(&byte)
            || as_presented && b"/=:@".contains(&byte);
        if stays && !twice {
            written.push(byte);
        } else {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
            written.extend_from_slice(if twice { b"%25" } else { b"%" });
            written.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// Returns whether a byte may stand in a value (RFC 6265, 4.1.1).
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

/// Adds pairs behind those that are there.
fn append(pairs: &[u8], written: &mut Vec<u8>) {
    let pairs = pairs.trim_ascii();
    if pairs.is_empty() {
        return;
    }
    if !written.is_empty() {
        written.extend_from_slice(b"; ");
    }
    written.extend_from_slice(pairs);
}
