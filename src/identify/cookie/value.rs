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

use memchr::{memchr, memchr_iter, memchr2_iter, memmem, memrchr};

use super::characters::{
    Blank, blank, blank_behind, decoded, from_json, from_latin, from_utf16, lossy, lossy_in_java,
    unescaped,
};
use super::ids::{Ids, TooMany};

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

/// Adds what a parser could read that drops a quote which is not closed, or the last byte with it.
fn half_quoted<'a>(value: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
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
fn quoted<'a>(text: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
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

/// Adds a value with and without the white space around it.
fn trimmed<'a>(value: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
    starts(value).try_for_each(|start| trimmed_end(&value[start..], ids))
}

/// Adds a value with and without the white space behind it.
fn trimmed_end<'a>(value: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
    ends(value).try_for_each(|end| variants(&value[..end], ids))
}

/// Returns where a value could begin: behind all white space, and before some or all of it.
fn starts(value: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let mut starts = Edges::default();
    let mut at = 0;
    while let Some((kind, length)) = blank(&value[at..]) {
        starts.note(kind, at);
        at += length;
    }
    [at].into_iter().chain(starts.edges)
}

/// Returns where a value could end: before all white space, and behind some or all of it.
fn ends(value: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let mut ends = Edges::default();
    let mut rest = value;
    while let Some((kind, length)) = blank_behind(rest) {
        let is_new = ends.note(kind, rest.len());
        if is_new && length > 1 && matches!(rest, [.., 0x85 | 0xA0]) {
            // In latin-1, the last byte of this character alone is white space.
            ends.edges.push(rest.len() - 1);
        }
        rest = &rest[..rest.len() - length];
    }
    [rest.len()].into_iter().chain(ends.edges)
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

/// Returns what is before the first `;` that has an even number of quotes before it.
fn upto_semicolon_outside_quotes(text: &[u8]) -> &[u8] {
    let mut inside = false;
    let end = memchr2_iter(b'"', b';', text).find(|&at| {
        inside ^= text[at] == b'"';
        text[at] == b';' && !inside
    });
    &text[..end.unwrap_or(text.len())]
}

/// The ends of runs of white space of one kind. No parser stops within a run.
#[derive(Default)]
struct Edges {
    edges: Vec<usize>,
    last: Option<Blank>,
}

impl Edges {
    /// Notes where white space is, and returns whether it is of another kind than the last.
    fn note(&mut self, kind: Blank, at: usize) -> bool {
        let is_new = self.last.replace(kind) != Some(kind);
        if is_new {
            self.edges.push(at);
        }
        is_new
    }
}

/// Adds a value in all the ways in which its characters could be read.
fn variants<'a>(value: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
    let is_odd = |byte: &u8| matches!(byte, b'"' | b'\\' | b'%' | 0x80..);
    if !value.iter().any(is_odd) && !value.starts_with(b"j:") {
        return ids.push_spelling(Cow::Borrowed(value));
    }
    ids.spend(value.len())?;
    let mut forms = vec![Cow::Borrowed(value)];
    also(&mut forms, |form| {
        memchr(b'\\', form).map(|_| [unescaped(form, false), unescaped(form, true)])
    });
    also(&mut forms, |form| {
        (!form.is_ascii()).then(|| [from_latin(form), lossy(form), lossy_in_java(form)])
    });
    also(&mut forms, |form| {
        let is_encoded = memmem::find(form, b"%u").or(memmem::find(form, b"%U"));
        is_encoded.map(|_| [from_utf16(form, b'%')])
    });
    for form in forms {
        let decoded = memchr(b'%', &form).map(|_| decoded(&form));
        let json = from_json(decoded.as_deref().unwrap_or(&form));
        ids.push_spelling(form)?;
        for form in [decoded.as_deref().map(lossy), json].into_iter().flatten() {
            ids.push_spelling(Cow::Owned(form))?;
        }
    }
    Ok(())
}

/// Adds to some forms what each of them could be read as.
fn also<const N: usize>(
    forms: &mut Vec<Cow<'_, [u8]>>,
    read: impl Fn(&[u8]) -> Option<[Vec<u8>; N]>,
) {
    let more: Vec<_> = forms.iter().filter_map(|form| read(form)).collect();
    forms.extend(more.into_iter().flatten().map(Cow::Owned));
}

/// The bit of `%` in [`KINDS`].
const PERCENT: u32 = 1;

/// What each byte is in a value: 0 if no parser stops there, else the bit of its own kind.
static KINDS: [u32; 256] = kinds();

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
