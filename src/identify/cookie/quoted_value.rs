//! What some parser could take for a cookie's value that begins with a quote.

use memchr::{memchr, memchr2_iter, memrchr};

use super::characters::blank;
use super::ids::{Ids, TooMany};
use super::plain_value::upto_semicolon;
use super::variants::{trimmed, trimmed_end, variants};

/// Adds what a parser could read that drops a quote which is not closed, or the last byte with it.
pub(super) fn half_quoted<'a>(value: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
    let [b'"', inner @ ..] = value else {
        return Ok(());
    };
    if !inner.ends_with(b"\"") {
        trimmed(inner, ids)?;
    }
    match inner {
        [inner @ .., _] => trimmed(inner, ids),
        [] => Ok(()),
    }
}

/// Adds what a parser could read that knows quoted strings, in which `;` is like any other
/// character.
pub(super) fn quoted<'a>(text: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
    let [b'"', inner @ ..] = text else {
        return Ok(());
    };
    let closings = Closings::of(inner);
    for closing in closings.all() {
        match closing {
            Some(at) => trimmed(&inner[..at], ids)?,
            None => {
                variants(text, ids)?;
                trimmed(inner, ids)?;
            }
        }
    }
    // Jetty goes on behind a closing quote if there is more, and forgets what was before it.
    if let Some(at) = closings.unescaped
        && !matches!(inner[at + 1..], [] | [b';', ..])
    {
        trimmed_end(upto_semicolon(&inner[at..]), ids)?;
        trimmed_end(&inner[at..], ids)?;
        // A later quote makes it forget once more.
        let later = &inner[at + 1..];
        for quote in [memchr(b'"', later), memrchr(b'"', later)]
            .into_iter()
            .flatten()
        {
            trimmed_end(&later[quote..], ids)?;
        }
    }
    Ok(())
}

/// Where a quoted string ends, to different parsers. `None` is the end of the line.
struct Closings {
    /// The first quote.
    first: Option<usize>,
    /// The first quote that no backslash makes a character of the string.
    unescaped: Option<usize>,
    /// The first quote without a backslash before it, even if that is itself behind a backslash.
    bare: Option<usize>,
    /// The first quote of these with a separator behind it.
    separated: Option<usize>,
}

impl Closings {
    fn of(inner: &[u8]) -> Self {
        let mut closings = Self {
            first: memchr(b'"', inner),
            unescaped: None,
            bare: None,
            separated: None,
        };
        let mut escaped = false;
        let mut before = 0;
        for (at, &byte) in inner.iter().enumerate() {
            if byte == b'"' {
                if before != b'\\' {
                    closings.bare.get_or_insert(at);
                }
                if !escaped {
                    closings.unescaped.get_or_insert(at);
                    if is_separated(&inner[at + 1..]) {
                        closings.separated.get_or_insert(at);
                    }
                }
                if closings.separated.is_some() && closings.bare.is_some() {
                    break;
                }
            }
            escaped = byte == b'\\' && !escaped;
            before = byte;
        }
        closings
    }

    /// Returns each end once.
    fn all(&self) -> impl Iterator<Item = Option<usize>> + use<> {
        let all = [self.first, self.unescaped, self.bare, self.separated];
        let is_new = move |&index: &usize| !all[..index].contains(&all[index]);
        (0..all.len()).filter(is_new).map(move |index| all[index])
    }
}

/// Returns whether what is behind a quote is a separator or nothing.
fn is_separated(behind: &[u8]) -> bool {
    matches!(behind, [] | [b';' | b',', ..]) || blank(behind).is_some()
}

/// Returns what is before the first `;` that has an even number of quotes before it.
pub(super) fn upto_semicolon_outside_quotes(text: &[u8]) -> &[u8] {
    let mut inside = false;
    let end = memchr2_iter(b'"', b';', text).find(|&at| {
        inside ^= text[at] == b'"';
        text[at] == b';' && !inside
    });
    &text[..end.unwrap_or(text.len())]
}
