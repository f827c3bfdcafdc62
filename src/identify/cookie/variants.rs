//! The ways in which parsers could read a value's characters and the white space around it.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::characters::{
    Blank, blank, blank_behind, decoded, from_json, from_latin, from_utf16, lossy, lossy_in_java,
    unescaped,
};
use super::ids::{Ids, TooMany};

/// Adds a value with and without the white space around it.
pub(super) fn trimmed<'a>(value: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
    starts(value).try_for_each(|start| trimmed_end(&value[start..], ids))
}

/// Adds a value with and without the white space behind it.
pub(super) fn trimmed_end<'a>(value: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
    ends(value).try_for_each(|end| variants(&value[..end], ids))
}

/// Returns where a value could begin: behind all white space, and before some or all of it.
pub(super) fn starts(value: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let mut starts = Edges::default();
    let mut at = 0;
    while let Some((kind, length)) = blank(&value[at..]) {
        starts.note(kind, at);
        at += length;
    }
    [at].into_iter().chain(starts.edges)
}

/// Returns where a value could end: before all white space, and behind some or all of it.
pub(super) fn ends(value: &[u8]) -> impl Iterator<Item = usize> + use<> {
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
pub(super) fn variants<'a>(value: &'a [u8], ids: &mut Ids<'a>) -> Result<(), TooMany> {
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
