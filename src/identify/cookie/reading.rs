//! The reading of `Cookie` headers, so that no spelling hides a session from the layer.
//!
//! The layer compares bytes, the application behind it decodes. 81 cookie parsers of 9 languages
//! were tried with thousands of odd headers (`tests/cookie/corpus`), and what this module knows of
//! them is what was seen there.
//!
//! - Nearly all headers are read alike by all parsers. [`read`] finds that out at little cost: it
//!   looks only at the byte before each `=` and `[`, because no parser finds a cookie elsewhere,
//!   and whatever else is in the header does not matter then.
//! - In any other header [`read`] finds each id that any parser could read. [`name`] knows where a
//!   parser could find the session's name, and [`value`] what it could take for the value. Both say
//!   which parser each of their rules is for.
//! - [`rewrite`] writes a header anew, in which all parsers read the one id that the caller has
//!   checked, or none.
//!
//! WEBrick and BlackSheep take `;` for a separator only with a space behind it, so `sid=A;b=1` is
//! the id `A;b=1` to them. No application has issued such an id. So a header in which nothing else
//! is odd is handed on as it came.

use super::ids::{Id, Ids, TooMany};
use super::name::Name;
use super::{name, plain_value, value};
use crate::session::canonical::canonical;

/// What the `Cookie` lines of a request say about one cookie.
#[derive(Debug)]
pub(super) enum Reading<'a> {
    /// Every parser reads this id, as it is on the wire but for white space and one pair of quotes
    /// around it, or reads none. The header can be handed on as it is.
    Plain(Option<&'a [u8]>),
    /// Every parser reads this id, or none, and it is in its canonical form already.
    Canonical(&'a [u8]),
    /// Parsers may read different ids. These are all of them, different in their canonical form, in
    /// the order of their appearance. The header must be written anew.
    ///
    /// Several `Cookie` lines are read so even if all is well with them, because some servers join
    /// them with a comma and some drop all but one. HTTP/2 splits lines (RFC 9113, 8.2.3), so they
    /// are everyday traffic.
    Wide(Vec<Id<'a>>),
    /// There are several lines. Some parser could read one of the ids in a line, or one of the
    /// glued ids, where its server joins the lines.
    Split {
        ids: Vec<Id<'a>>,
        glued: Vec<Id<'a>>,
    },
    /// Parsers could read more than [`MAX`](super::ids::MAX) ids, or the ids are too long to look
    /// at all. These are the first ones.
    TooMany(Vec<Id<'a>>),
}

/// Reads the cookie of this name.
#[inline]
pub(super) fn read<'a, 'n>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    name: impl Into<Name<'n>>,
) -> Reading<'a> {
    let name = name.into();
    let mut lines = lines.into_iter();
    let Some(first) = lines.next() else {
        return Reading::Plain(None);
    };
    let Some(second) = lines.next() else {
        return match alone(first, name) {
            Some(value) => Reading::Canonical(value),
            None => read_line(first, name::places(first, name), name),
        };
    };
    let lines: Vec<_> = [first, second].into_iter().chain(lines).collect();
    read_lines(&lines, name)
}

/// Returns the value, if a line holds nothing but this cookie and the value is common. Then there
/// is no other place to look at: a common value has no `=` in it.
#[inline]
fn alone<'a>(line: &'a [u8], name: Name<'_>) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    plain_value::common(value).filter(|common| common.len() == value.len())
}

/// Reads several lines: each alone, and all of them as servers join them, since an id may be glued
/// together from two.
#[cold]
fn read_lines<'a>(lines: &[&'a [u8]], name: Name<'_>) -> Reading<'a> {
    let mut ids = Ids::default();
    for line in lines {
        if collect(&mut ids, line, name::places(line, name), name).is_err() {
            return Reading::TooMany(ids.found);
        }
    }
    // Gunicorn takes the white space off each line first, in Latin-1.
    let trimmed: Vec<_> = lines.iter().map(|line| trim_blanks(line)).collect();
    let joined = [
        lines.join(&b"; "[..]),
        lines.join(&b", "[..]),
        lines.join(&b","[..]),
        trimmed.join(&b","[..]),
    ];
    let mut glued = Ids::default();
    for line in &joined {
        let mut found = Ids::default();
        // More than are looked up need no look, as said there.
        let _ = collect(&mut found, line, name::places(line, name), name);
        for id in found.found {
            if !ids.contains(&id) {
                let _ = glued.push(id.into_owned());
            }
        }
    }
    Reading::Split {
        ids: ids.found,
        glued: glued.found,
    }
}

/// Takes white space off both ends of a line, as it is in Latin-1.
fn trim_blanks(mut line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0x85 | 0xA0);
    while let [first, rest @ ..] = line
        && is_blank(first)
    {
        line = rest;
    }
    while let [rest @ .., last] = line
        && is_blank(last)
    {
        line = rest;
    }
    line
}

/// Reads the only line of a request.
#[inline]
fn read_line<'a>(line: &'a [u8], places: name::Places, name: Name<'_>) -> Reading<'a> {
    match places {
        name::Places::None => return Reading::Plain(None),
        name::Places::One(start) => {
            let text = &line[start..];
            let common = plain_value::common(text);
            if common.is_none_or(|value| value.len() < text.len())
                && !plain_value::is_before_pair(text)
            {
                return read_widely(line, places, name);
            }
            if let Some(value) = common {
                return Reading::Canonical(value);
            }
            if let Some(value) = plain_value::plain(text) {
                return Reading::Plain((!value.is_empty()).then_some(value));
            }
        }
        name::Places::Odd => {}
    }
    read_widely(line, places, name)
}

/// Reads a line that parsers may read differently.
#[cold]
fn read_widely<'a>(line: &'a [u8], places: name::Places, name: Name<'_>) -> Reading<'a> {
    let mut ids = Ids::default();
    if collect(&mut ids, line, places, name).is_err() {
        return Reading::TooMany(ids.found);
    }
    match &ids.found[..] {
        [] => Reading::Plain(None),
        // All parsers read this id or none. The strict reader must be among those that do, and the
        // name must not be there twice: what is handed on then holds it once.
        [id] if name::all_places(line, name).take(2).count() == 1
            && let Some(value) = strict(line, name)
            && *canonical(value) == *id.canonical() =>
        {
            Reading::Plain(Some(value))
        }
        _ => Reading::Wide(ids.found),
    }
}

/// Returns the first value that a strict reader finds, one who does not decode.
pub(super) fn strict<'a, 'n>(line: &'a [u8], name: impl Into<Name<'n>>) -> Option<&'a [u8]> {
    let name = name.into();
    line.split(|byte| *byte == b';').find_map(|pair| {
        let rest = pair.trim_ascii_start().strip_prefix(name.as_bytes())?;
        let value = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
        let unquoted = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""));
        Some(unquoted.unwrap_or(value)).filter(|value| !value.is_empty())
    })
}

/// Adds what any parser could read in a line.
fn collect<'a>(
    ids: &mut Ids<'a>,
    line: &'a [u8],
    places: name::Places,
    name: Name<'_>,
) -> Result<(), TooMany> {
    match places {
        name::Places::None => Ok(()),
        name::Places::One(start) => value::collect(line, start, ids),
        name::Places::Odd => {
            name::all_places(line, name).try_for_each(|start| value::collect(line, start, ids))
        }
    }
}
