//! The reading and writing of headers against what 81 real parsers saw.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;

use memchr::memchr;

use crate::identify::cookie::ids::{Id, MAX};
use crate::identify::cookie::reading::{Reading, read, strict};
use crate::identify::cookie::rewrite::rewrite;
use crate::session::canonical::canonical;

/// One header, and what the parsers saw.
struct Observed {
    name: String,
    lines: Vec<Vec<u8>>,
    /// What each parser saw, without those that saw nothing.
    seen: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Observed {
    fn lines(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.lines.iter().map(|line| &line[..])
    }
}

/// Returns the headers of the corpus.
fn observed() -> impl Iterator<Item = Observed> {
    let packed = include_bytes!("../../../../tests/cookie/corpus/observed.jsonl.gz");
    let mut text = String::new();
    GzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines.into_iter().map(|line| Observed {
        name: line["name"].as_str().unwrap().to_owned(),
        lines: texts(&line["lines"]),
        seen: line["seen"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(parser, seen)| (parser.clone(), texts(seen)))
            .collect(),
    })
}

/// Returns the texts in a JSON value. `null`, `true` and `{"refused": true}` hold none.
fn texts(value: &Value) -> Vec<Vec<u8>> {
    match value {
        Value::String(text) => vec![STANDARD.decode(text).unwrap()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Returns the canonical forms of what is read.
fn ids_in<'a>(lines: impl IntoIterator<Item = &'a [u8]>, name: &str) -> Vec<Vec<u8>> {
    match read(lines, name) {
        Reading::Plain(value) => value
            .into_iter()
            .map(|value| canonical(value).into_owned())
            .collect(),
        Reading::Wide(ids) => ids.iter().map(|id| id.canonical().to_vec()).collect(),
        Reading::Canonical(value) => vec![value.to_vec()],
        Reading::Split { ids, glued } => {
            let all = ids.iter().chain(&glued);
            all.map(|id| id.canonical().to_vec()).collect()
        }
        Reading::TooMany(ids) => ids.iter().map(|id| id.canonical().to_vec()).collect(),
    }
}

fn show(texts: &[Vec<u8>]) -> Vec<String> {
    texts
        .iter()
        .map(|text| text.escape_ascii().to_string())
        .collect()
}

/// Returns whether a header is one that all parsers are known to read alike: section 5 of the
/// corpus' summary.
fn is_clean(lines: &[Vec<u8>], name: &str) -> bool {
    let [line] = lines else { return false };
    let is_token = |text: &[u8]| {
        !text.is_empty()
            && text
                .iter()
                .all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(byte))
    };
    let assignment = [name.as_bytes(), b"="].concat();
    let mut count = 0;
    line.split(|&byte| byte == b';')
        .enumerate()
        .all(|(index, pair)| {
            let pair = if index > 0 {
                pair.strip_prefix(b" ").unwrap_or(pair)
            } else {
                pair
            };
            let Some(equals) = memchr(b'=', pair) else {
                return false;
            };
            let (key, value) = (&pair[..equals], &pair[equals + 1..]);
            let octets = value
                .iter()
                .all(|&byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte));
            if !is_token(key) || key[0] == b'$' || !octets {
                return false;
            }
            if key == name.as_bytes() {
                count += 1;
                return count == 1
                    && value.iter().all(|byte| {
                        byte.is_ascii_alphanumeric() || b"._~!#$'*^`|-".contains(byte)
                    });
            }
            if memchr::memmem::find(key, b"%u").is_some() {
                return false;
            }
            let decoded = String::from_utf8_lossy(&canonical(key)).replace('.', "_");
            let bare = decoded
                .strip_prefix("__Host-")
                .or(decoded.strip_prefix("__Secure-"))
                .unwrap_or(&decoded);
            ![bare, &decoded]
                .iter()
                .any(|other| *other == name || **other == name.replace('.', "_"))
                && !value
                    .windows(assignment.len())
                    .any(|window| window == assignment)
        })
}

#[test]
fn every_id_that_a_parser_saw_is_found() {
    let (mut plain, mut wide, mut too_many, mut missed) = (0, 0, Vec::new(), Vec::new());
    let mut counts = [0; 2 * MAX + 1];
    for observed in observed() {
        let name = &observed.name;
        match read(observed.lines(), name) {
            Reading::Plain(_) | Reading::Canonical(_) => plain += 1,
            Reading::Wide(ids) => {
                wide += 1;
                counts[ids.len()] += 1;
            }
            Reading::Split { ids, glued } => {
                wide += 1;
                counts[ids.len() + glued.len()] += 1;
            }
            Reading::TooMany(_) => too_many.push(show(&observed.lines)),
        }
        let ids = ids_in(observed.lines(), name);
        for (parser, seen) in &observed.seen {
            for value in seen {
                let form = canonical(value).into_owned();
                let is_unset =
                    form.is_empty() || parser.starts_with("@edge-runtime") && form == b"true";
                if !is_unset && !ids.contains(&form) {
                    missed.push(format!(
                        "{parser} sees {:?} in {:?}, not {:?}",
                        value.escape_ascii().to_string(),
                        show(&observed.lines),
                        show(&ids)
                    ));
                }
            }
        }
    }
    println!(
        "{plain} plain, {wide} wide {counts:?}, {} with too many ids",
        too_many.len()
    );
    for lines in &too_many {
        println!(
            "too many: {}",
            lines
                .iter()
                .map(|l| &l[..l.len().min(200)])
                .collect::<Vec<_>>()
                .join(" | ")
        );
    }
    missed.sort();
    println!("{} missed", missed.len());
    assert!(missed.is_empty(), "{:#?}", &missed[..missed.len().min(20)]);
}

#[test]
fn clean_headers_are_read_plainly() {
    let mut count = 0;
    for observed in observed() {
        if !is_clean(&observed.lines, &observed.name) {
            continue;
        }
        count += 1;
        let line = &observed.lines[0];
        let value = match read(observed.lines(), &observed.name) {
            Reading::Plain(value) => value,
            Reading::Canonical(value) => Some(value),
            _ => panic!("{:?} is not read plainly", show(&observed.lines)),
        };
        assert_eq!(
            value,
            strict(line, &observed.name),
            "{:?}",
            show(&observed.lines)
        );
    }
    eprintln!("{count} headers are clean");
    assert!(count > 500);
}

#[test]
fn a_header_written_anew_has_the_one_id() {
    for observed in observed() {
        let name = &observed.name;
        let found = ids_in(observed.lines(), name);
        let seen = observed.seen.values().flatten();
        let seen = seen.map(|seen| canonical(seen).into_owned());
        let spelled = observed.seen.values().flatten().cloned();
        let ids: BTreeSet<_> = found.into_iter().chain(seen).chain(spelled).collect();
        for id in ids {
            let id = Id::new(id.into());
            if !id.canonical().is_empty() {
                super::assert_is_only(observed.lines(), name, &id);
            }
        }
    }
}

#[test]
fn a_header_written_anew_without_an_id_has_none() {
    for observed in observed() {
        let written = rewrite(observed.lines(), &observed.name, None);
        let read = read(
            written.as_ref().map(|written| written.as_bytes()),
            &observed.name,
        );
        assert!(
            matches!(read, Reading::Plain(None)),
            "{written:?} of {:?} is {read:?}",
            show(&observed.lines)
        );
    }
}
