//! The places in a `Cookie` line where some parser could find a cookie's name.
//!
//! | spelling of `sid` | read so by | legitimate traffic it concerns |
//! |---|---|---|
//! | `%73id=`, `si%64=` | the crate `cookie` and all upon it, Plack, CGI::Cookie, Slim, BlackSheep | none |
//! | `s%u0069d=` | CGI::Cookie, CGI::Simple | none |
//! | `SID=`, where [`Letters::AnyCase`] says so | ASP.NET Core; Jetty 9.4 on a shared connection | sites that have both `SID` and `sid` |
//! | `s.id=`, `s id=`, `s[id=`, `s_id=` for each other | PHP | applications that have two of these |
//! | `sid[]=`, `sid[0]x=` | PHP | arrays in cookies |
//! | `__Host-sid=`, `__Secure-sid=` | Sanic | sites that are about to rename their cookie |
//! | white space of any kind before or behind the name | Django, Starlette, Express, the crate `cookie` and many more | none |
//! | `a=1 sid=`, `a=1,sid=` | Python's `SimpleCookie`, aiohttp, Pyramid, Mojolicious, CGI::Cookie, Jetty, Netty | lists and texts in the values of other cookies |
//! | `x="a; sid=1"`, `"sid=` | all that know no quoted strings; Pyramid | JSON in other cookies |
//! | `(sid=`, `@sid=`, `[sid=`, `\sid=`, a byte above 7F before it | Tomcat's legacy processor, Pyramid, ASP.NET Core | addresses with `sid=` in them |
//! | `=sid=` | Werkzeug 2, Tomcat's legacy processor | a value that begins with `sid=` |
//!
//! So a name begins at the beginning of a line, or behind any byte that cannot stand in a name. It
//! ends at `=`, before which there may be white space or, for PHP, brackets.

use std::mem::replace;

use memchr::{memchr, memchr2, memrchr};

use super::characters::blank;
use crate::session::canonical::from_hex;

/// The name of a cookie, and how applications compare it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    text: &'a [u8],
    letters: Letters,
}

/// Whether upper and lower case are two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    /// `SID` and `sid` are two cookies.
    Exact,
    /// `SID` and `sid` are one cookie.
    AnyCase,
}

impl<'a> Name<'a> {
    pub(super) const fn new(name: &'a str, letters: Letters) -> Self {
        let text = name.as_bytes();
        Self { text, letters }
    }

    pub(super) const fn as_bytes(self) -> &'a [u8] {
        self.text
    }
}

/// A name whose letters are compared as they are.
impl<'a> From<&'a str> for Name<'a> {
    fn from(name: &'a str) -> Self {
        Self::new(name, Letters::Exact)
    }
}

/// A name whose letters are compared as they are.
impl<'a> From<&'a String> for Name<'a> {
    fn from(name: &'a String) -> Self {
        Self::new(name, Letters::Exact)
    }
}

/// Where a line holds the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Places {
    /// No parser finds it.
    None,
    /// It is there once, as itself, at the beginning of a pair. The value begins here.
    One(usize),
    /// It may be there more than once or in another spelling: [`all_places`] tells.
    Odd,
}

/// Returns where a line holds the name, at little cost if that is easy to say.
///
/// The name is followed by `=` or `[` in all of its spellings, so only what is before those is
/// looked at.
pub(super) fn places(line: &[u8], name: Name<'_>) -> Places {
    let Some(&last) = name.text.last() else {
        return Places::None;
    };
    let is_folded = matches!(last, b'_' | b'.');
    let mut found = Places::None;
    let mut look = |at: usize| {
        let text = &line[..at];
        let before = text.last().copied().unwrap_or_default();
        // Most names end otherwise, and are seen to be others at a glance.
        if (before ^ last) & !0x20 != 0
            && before.is_ascii_graphic()
            && !ends_encoded(text)
            && !is_folded
        {
            return;
        }
        found = match (spelled_before(text, name), found) {
            (Spelled::No, _) => return,
            (Spelled::Exactly, Places::None) if line[at] == b'=' => Places::One(at + 1),
            (Spelled::Exactly | Spelled::Perhaps, _) => Places::Odd,
        };
    };
    // Eight bytes at a time, since a search that is called for each `=` takes longer.
    let mut start = 0;
    while start < line.len() {
        let word = word_at(line, start);
        let mut hits = positions(word, b'=') | positions(word, b'[');
        while hits != 0 {
            look(start + hits.trailing_zeros() as usize / 8);
            hits &= hits - 1;
        }
        start += 8;
    }
    found
}

/// Returns eight bytes of a line, the first one in the lowest bits. Behind the line are zeros.
fn word_at(line: &[u8], start: usize) -> u64 {
    let rest = &line[start..];
    match (rest.first_chunk(), line.last_chunk()) {
        (Some(&word), _) => u64::from_le_bytes(word),
        (None, Some(&last)) => u64::from_le_bytes(last) >> (8 * (8 - rest.len())),
        (None, None) => rest
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// Returns a bit for each byte of a word that is this one.
fn positions(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let other = word ^ (u64::from(byte) * 0x0101_0101_0101_0101);
    // Neither the low bits nor the high one differ. No byte carries into the next.
    !(((other & LOW) + LOW) | other) & !LOW
}

/// Whether a text ends with the name.
enum Spelled {
    No,
    Exactly,
    Perhaps,
}

/// Returns whether a line up to a `=` or `[` ends with the name.
fn spelled_before(text: &[u8], name: Name<'_>) -> Spelled {
    if let Some(before) = text.strip_suffix(name.text) {
        return match before {
            [] | [.., b';'] | [.., b';', b' '] => Spelled::Exactly,
            // `xsid` is another name. But `__Host-sid` is not, to some, nor is it if the `-` is
            // encoded.
            [.., byte] if is_token(*byte) && *byte != b'-' && !ends_encoded(before) => Spelled::No,
            _ => Spelled::Perhaps,
        };
    }
    // White space, or a byte that may be part of some.
    if text.last().is_some_and(|last| !last.is_ascii_graphic()) {
        return Spelled::Perhaps;
    }
    let other = text
        .iter()
        .rev()
        .zip(name.text.iter().rev())
        .position(|(&byte, &expected)| !same(byte, expected, name.letters));
    match other {
        // The text is too short, or it is the name but for upper and lower case or PHP's `_`.
        None if text.len() < name.text.len() => Spelled::No,
        None => Spelled::Perhaps,
        Some(other) if ends_within_encoded(&text[..text.len() - other]) => Spelled::Perhaps,
        Some(_) => Spelled::No,
    }
}

/// Returns whether a text may end with `%hh` or `%uhhhh`, of which some may have been taken for the
/// end of the name.
fn ends_within_encoded(text: &[u8]) -> bool {
    text[text.len().saturating_sub(6)..].contains(&b'%')
}

/// Returns whether a text may end with `%hh` or `%uhhhh`.
fn ends_encoded(text: &[u8]) -> bool {
    matches!(text, [.., b'%', _, _] | [.., b'%', _, _, _, _, _])
}

/// Returns where the values begin for which a parser could find the name, each once, from left to
/// right.
pub(super) fn all_places<'a>(line: &'a [u8], name: Name<'a>) -> impl Iterator<Item = usize> + 'a {
    let mut brackets = Brackets::default();
    let mut last = 0;
    (0..line.len())
        .filter(move |&at| at == 0 || !is_token(line[at - 1]))
        .flat_map(move |at| {
            let text = &line[at..];
            let behind = |prefix: &[u8]| as_it_is(text.strip_prefix(prefix)?, name);
            let rests = [
                as_it_is(text, name),
                encoded(text, name),
                behind(b"__Host-"),
                behind(b"__Secure-"),
            ];
            rests
                .into_iter()
                .flatten()
                .map(|rest| line.len() - rest.len())
        })
        .filter_map(move |end| {
            let behind = skip_blanks(line, end);
            let equals = match line.get(behind) {
                Some(b'=') => behind,
                Some(b'[') if behind == end => brackets.equals(line, end)?,
                _ => return None,
            };
            // What is found later has a later value or the same one.
            let start = equals + 1;
            (start > replace(&mut last, start)).then_some(start)
        })
}

/// Returns what is behind the name, if a text begins with it in a spelling that is not encoded.
fn as_it_is<'a>(text: &'a [u8], name: Name<'_>) -> Option<&'a [u8]> {
    let (spelled, rest) = text.split_at_checked(name.text.len())?;
    // PHP skips white space and brackets at the beginning, so they stand for no other character
    // there.
    let begins = !matches!(spelled, [b' ' | b'[', ..]);
    let is_same = |(&byte, &expected): (&u8, &u8)| same(byte, expected, name.letters);
    (begins && spelled.iter().zip(name.text).all(is_same)).then_some(rest)
}

/// Returns what is behind the name, if a text begins with it and some of it is encoded.
fn encoded<'a>(text: &'a [u8], name: Name<'_>) -> Option<&'a [u8]> {
    let mut rest = text;
    for &expected in name.text {
        let (byte, length) = match *rest {
            [b'%', high, low, ..] if let Some(byte) = from_hex(high, low) => (byte, 3),
            [b'%', b'u' | b'U', b'0', b'0', high, low, ..]
                if let Some(byte) = from_hex(high, low) =>
            {
                (byte, 6)
            }
            [byte, ..] => (byte, 1),
            [] => return None,
        };
        if !same_letter(byte, expected, name.letters) {
            return None;
        }
        rest = &rest[length..];
    }
    Some(rest)
}

/// Returns whether a byte can stand for one of the name, to PHP or where case is ignored.
fn same(byte: u8, expected: u8, letters: Letters) -> bool {
    same_letter(byte, expected, letters)
        || (matches!(expected, b'_' | b'.') && matches!(byte, b'_' | b'.' | b' ' | b'['))
}

fn same_letter(byte: u8, expected: u8, letters: Letters) -> bool {
    match letters {
        Letters::Exact => byte == expected,
        Letters::AnyCase => byte.eq_ignore_ascii_case(&expected),
    }
}

/// Returns whether a byte can stand in a name (RFC 6265, 4.1.1).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && memchr(byte, b"()<>@,;:\\\"/[]?={}").is_none()
}

fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while let Some((_, length)) = blank(&line[at..]) {
        at += length;
    }
    at
}

/// The `=` behind brackets that were looked for last, so that many names before one `=` do not take
/// long.
#[derive(Default)]
struct Brackets {
    /// Where the next `=` or `;` is.
    end: usize,
    /// The last `]` before it.
    closing: Option<usize>,
}

impl Brackets {
    /// Returns where the `=` is that ends the name with an opening bracket here.
    fn equals(&mut self, line: &[u8], open: usize) -> Option<usize> {
        if self.end <= open {
            let name = &line[open..];
            let length = memchr2(b'=', b';', name).unwrap_or(name.len());
            self.end = open + length;
            self.closing = memrchr(b']', &name[..length]).map(|at| open + at);
        }
        (line.get(self.end) == Some(&b'=') && self.closing > Some(open)).then_some(self.end)
    }
}
