//! What some parser could take for a cookie's value, from its `=` on.
//!
//! | reading | read so by | legitimate traffic it concerns |
//! |---|---|---|
//! | up to `;`, percent-decoded or not, with quotes or not | nearly all; the canonical form unites these | ids with `%`, `+` |
//! | with and without white space around it, in latin-1 or Unicode | Django, Starlette, Express, the crate `cookie` and many more | none |
//! | cut at `,` or white space | Python's `SimpleCookie`, Pyramid, Mojolicious, CGI::Cookie, Jetty, mochiweb | none |
//! | cut at `"`, `\`, brackets, `:`, `=`, `?`, `@`, a byte above 7F | Tomcat's legacy processor, Pyramid, mochiweb, Undertow | ids in base64, Express's `s:…` |
//! | each part between `&` | CGI::Cookie, CGI::Simple, Ruby's CGI | none |
//! | from quote to quote, past `;` | `SimpleCookie`, Werkzeug, Jetty, Mojolicious, the crate `headers` and more | none |
//! | without the white space inside of quotes | the crate `cookie`, old npm `cookie` | none |
//! | `"A` as `A`, to the `;` or the end of the line | Tomcat, mochiweb | none |
//! | `"Ax` as `A`: the last byte goes with the quote | Koa, old npm `cookie`, h3, Fastify | none |
//! | past `\;` | Pyramid | none |
//! | past `;` without a space behind it | WEBrick, BlackSheep | none |
//! | `\b` as `b`, `\101` as `A`, with quotes or not | all Python, Jetty, mochiweb, WEBrick | none |
//! | bytes above 7F from latin-1, or as U+FFFD if they are not UTF-8 | Django, Starlette, Node, the crate `cookie`, Litestar | ids that are not ASCII |
//! | `j:"A"` as `A` | Express's cookie-parser | none |
//! | `%u0041` as `A` | CGI::Cookie, CGI::Simple | none |

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::ids::{Ids, TooMany};
use super::plain_value::{KINDS, PERCENT, plain, upto_semicolon};
use super::quoted_value::{half_quoted, quoted, upto_semicolon_outside_quotes};
use super::variants::{ends, starts, trimmed, trimmed_end};

/// Adds each id that some parser could read in a value that begins here.
pub(super) fn collect<'a>(line: &'a [u8], start: usize, ids: &mut Ids<'a>) -> Result<(), TooMany> {
    let text = &line[start..];
    let value = upto_semicolon(text);
    if let Some(value) = plain(text) {
        ids.push_spelling(Cow::Borrowed(value))?;
        return spaced(text, value.len(), ids);
    }
    for from in starts(value) {
        let value = &value[from..];
        cuts(value, ids)?;
        if memchr(b'&', value).is_some() {
            value
                .split(|byte| *byte == b'&')
                .try_for_each(|part| cuts(part, ids))?;
        }
        ends(value).try_for_each(|end| half_quoted(&value[..end], ids))?;
    }
    spaced(text, value.len(), ids)?;
    if memchr(b'\\', value).is_some() {
        let value = upto_unescaped_semicolon(text);
        starts(value).try_for_each(|start| cuts(&value[start..], ids))?;
    }
    let Some(quote) = memchr(b'"', value) else {
        return Ok(());
    };
    let start = starts(value).next().unwrap_or_default();
    if start == quote {
        quoted(&text[quote..], ids)?;
    }
    trimmed(upto_semicolon_outside_quotes(text), ids)
}

/// Adds what a parser could read to which `;` is a separator only with a space behind it.
fn spaced<'a>(text: &'a [u8], semicolon: usize, ids: &mut Ids<'a>) -> Result<(), TooMany> {
    // The server has taken off the white space at the end of the line.
    let text = text.trim_ascii_end();
    match text.get(semicolon..) {
        None | Some([] | [b';', b' ', ..]) => Ok(()),
        Some(_) => trimmed(
            &text[..memmem::find(text, b"; ").unwrap_or(text.len())],
            ids,
        ),
    }
}

/// Adds what a parser could read that ends at one of the separators, or at none.
fn cuts<'a>(value: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
    trimmed_end(value, ids)?;
    let mut seen = PERCENT;
    // What is cut at an opening quote is empty, so the quote that counts is the next one, unless
    // that closes the value.
    let skipped = usize::from(value.first() == Some(&b'"'));
    let value = value
        .strip_suffix(b"\"")
        .filter(|_| skipped == 1)
        .unwrap_or(value);
    for (at, &byte) in value.iter().enumerate().skip(skipped) {
        let kind = KINDS[usize::from(byte)];
        if kind & !seen != 0 {
            seen |= kind;
            trimmed_end(&value[..at], ids)?;
        }
    }
    Ok(())
}

/// Returns what is before the first `;` that has no backslash before it.
fn upto_unescaped_semicolon(text: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b';' => return &text[..at],
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text
}
