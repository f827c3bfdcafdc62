//! What is read and written, case by case and for headers that nobody thought of.

mod corpus;
mod parsers;

use proptest::prelude::*;

use crate::identify::cookie::ids::{Id, MAX};
use crate::identify::cookie::name::{Letters, Name};
use crate::identify::cookie::plain_value::upto_semicolon;
use crate::identify::cookie::reading::{Reading, read};
use crate::identify::cookie::rewrite::{Spelling, rewrite};
use crate::session::canonical::canonical;

/// Returns the canonical forms of what is read.
pub(super) fn ids_in(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    match read([line], name) {
        Reading::Plain(value) => value
            .into_iter()
            .map(|value| canonical(value).into_owned())
            .collect(),
        Reading::Wide(ids) => ids.iter().map(|id| id.canonical().to_vec()).collect(),
        Reading::Canonical(value) => vec![value.to_vec()],
        Reading::Split { .. } => unreachable!("there is one line"),
        Reading::TooMany(_) => panic!("too many ids in {}", line.escape_ascii()),
    }
}

/// Asserts that a header is written anew so that there is only this id in it.
pub(super) fn assert_is_only<'a>(
    lines: impl Iterator<Item = &'a [u8]> + Clone,
    name: &str,
    id: &Id<'_>,
) {
    let form = id.canonical();
    let encoded = rewrite(lines.clone(), name, Some((id, Spelling::Encoded)));
    let found = encoded
        .as_ref()
        .map(|line| ids_in(line.as_bytes(), name))
        .unwrap_or_default();
    assert_eq!(found, [form], "{encoded:?}");

    let presented = rewrite(lines, name, Some((id, Spelling::AsPresented))).unwrap();
    let value = upto_semicolon(presented.as_bytes());
    if let Reading::TooMany(_) = read([value], name) {
        return;
    }
    let found = ids_in(presented.as_bytes(), name);
    assert_eq!(found[0], form, "{presented:?}");
    assert_eq!(found, ids_in(value, name), "{presented:?}");
}

#[test]
fn everyday_headers_are_plain() {
    for (line, value) in [
        ("", None),
        ("theme=dark; lang=de", None),
        ("theme=dark; sid=A1b2", Some("A1b2")),
        ("sid=A1b2;theme=dark", Some("A1b2")),
        ("sid=s%3AA1b2.QQ", Some("s%3AA1b2.QQ")),
        ("sid=A1+b2", Some("A1+b2")),
        ("sid=A1%2Bb2%3D%3D", Some("A1%2Bb2%3D%3D")),
        ("sid=\"A1b2\"; a=1", Some("A1b2")),
        ("sid=A1b2; SID=B9z8", Some("A1b2")),
        (
            "sid=A1b2; sid2=x; xsid=y; sid.sig=z; my-sid=w",
            Some("A1b2"),
        ),
        ("prefs={\"a\":1,\"b\":[1,2]}; sid=A1b2", Some("A1b2")),
        (
            "name=J\u{fc}rgen M\u{fc}ller, Bonn; sid=A1b2; a=b=c",
            Some("A1b2"),
        ),
        ("x=\"a; sid=A1b2; b\"", Some("A1b2")),
        ("sid=", None),
        ("sid", None),
        ("AMCV_1%40AdobeOrg=1; sid=A1b2", Some("A1b2")),
    ] {
        match read([line.as_bytes()], "sid") {
            Reading::Plain(found) => assert_eq!(found, value.map(str::as_bytes), "{line}"),
            Reading::Canonical(found) => {
                assert_eq!(Some(found), value.map(str::as_bytes), "{line}")
            }
            other => panic!("{line} is {other:?}"),
        }
    }
}

#[test]
fn an_id_that_some_cut_has_all_its_readings() {
    for (line, ids) in [
        ("sid=ab/cd==", &["ab/cd==", "ab", "ab/cd"][..]),
        ("sid=s:A1b2.QQ", &["s:A1b2.QQ", "s"]),
        ("sid=A&B", &["A&B", "A", "B"]),
        ("sid=A1b2; s%69d=B9z8", &["A1b2", "B9z8"]),
        ("sid=A1b2; __Host-sid=B9z8", &["A1b2", "B9z8"]),
        ("x=1,sid=A1b2", &["A1b2"]),
        ("s\u{ed}d=1; \u{a0}sid=A1b2", &["A1b2"]),
        ("sid[a][b]=A1b2", &["A1b2"]),
        ("sid=\"A1\\b2\"", &["A1\\b2", "A1b2"]),
        ("sid=%u0041", &["%u0041", "A"]),
        ("sid=j%3A%22A1b2%22", &["j:\"A1b2\"", "A1b2"]),
        ("sid=j:\"\\u0041\"", &["A"]),
    ] {
        let found = ids_in(line.as_bytes(), "sid");
        for id in ids {
            assert!(
                found.iter().any(|found| found == id.as_bytes()),
                "{line}: {found:?}"
            );
        }
    }
}

#[test]
fn upper_and_lower_case_are_one_name_where_that_is_asked_for() {
    let line = &b"sid=A1b2; SID=B9z8; %53id=C3d4"[..];
    let reading = read([line], "sid");
    assert!(
        matches!(reading, Reading::Plain(Some(b"A1b2"))),
        "{reading:?}"
    );
    let name = Name::new("sid", Letters::AnyCase);
    let reading = read([line], name);
    assert!(
        matches!(&reading, Reading::Wide(ids) if ids.len() == 3),
        "{reading:?}"
    );
    assert_eq!(rewrite([line], name, None), None);
}

#[test]
fn several_lines_are_written_as_one() {
    let lines = ["theme=dark", "sid=A1b2", "prefs={\"a\":1, \"b\":2}; x=a b"].map(str::as_bytes);
    let Reading::Split { ids, .. } = read(lines, "sid") else {
        panic!()
    };
    assert_eq!(ids.len(), 1);
    let written = rewrite(lines, "sid", Some((&ids[0], Spelling::AsPresented)));
    assert_eq!(
        written.unwrap(),
        "sid=A1b2; theme=dark; prefs={\"a\":1, \"b\":2}; x=a b"
    );
    assert!(
        matches!(read(["a=1", "b=2"].map(str::as_bytes), "sid"), Reading::Split { ids, glued } if ids.is_empty() && glued.is_empty())
    );
}

#[test]
fn only_pairs_with_the_name_are_left_out() {
    let line =
        "a=1; sid=A1b2; x=\"b; %73id=B9z8;;  uid=3; sid[]=1; q=1,sid=2; url=/?sid=3; sid; e=\u{e9}";
    let id = Id::new(b"A1b2"[..].into());
    let written = rewrite([line.as_bytes()], "sid", Some((&id, Spelling::AsPresented))).unwrap();
    assert_eq!(
        written.as_bytes(),
        "sid=A1b2; a=1; x=\"b; uid=3; sid; e=\u{e9}".as_bytes()
    );
    assert_eq!(rewrite([&b"sid=A1b2"[..]], "sid", None), None);
}

#[test]
fn an_id_is_written_as_it_was_presented_or_encoded() {
    for (spelling, presented, encoded) in [
        ("A1b2", "sid=A1b2", "sid=A1b2"),
        ("s%3AA.Q", "sid=s%3AA.Q", "sid=s%3AA.Q"),
        ("ab/cd==", "sid=ab/cd==", "sid=ab%2Fcd%3D%3D"),
        ("\"A b\"", "sid=A+b", "sid=A+b"),
        ("A,b", "sid=A%2Cb", "sid=A%2Cb"),
        ("100%", "sid=100%", "sid=100%25"),
        ("j:1", "sid=j:1", "sid=%256A%3A1"),
        ("\u{e9}", "sid=%C3%A9", "sid=%C3%A9"),
        ("A%E9", "sid=A%E9", "sid=A%25E9"),
    ] {
        let id = Id::new(spelling.as_bytes().into());
        for (how, expected) in [
            (Spelling::AsPresented, presented),
            (Spelling::Encoded, encoded),
        ] {
            assert_eq!(rewrite([], "sid", Some((&id, how))).unwrap(), expected);
        }
    }
}

#[test]
fn the_first_ids_of_too_many_are_found() {
    let line: Vec<String> = (0..=MAX).map(|number| format!("sid=A{number}")).collect();
    assert!(matches!(
        read([line.join("; ").as_bytes()], "sid"),
        Reading::TooMany(ids) if ids.len() == MAX
    ));
    assert_eq!(ids_in(line[1..].join("; ").as_bytes(), "sid").len(), MAX);
}

#[test]
fn no_more_is_looked_at_than_a_request_is_worth() {
    // Each of the readings of this value is nearly as long as the value.
    let value = |length| "\"\\ \u{e9}%u0041%41".to_owned() + &"A&".repeat(length / 2);
    let read = |length: usize| match read([format!("sid={}", value(length)).as_bytes()], "sid") {
        Reading::Wide(ids) => (ids.len(), true),
        Reading::TooMany(ids) => (ids.len(), false),
        other => panic!("{other:?}"),
    };
    let (all, _) = read(16);
    assert_eq!(read(4 << 10), (all, true));
    let (some, is_whole) = read(64 << 10);
    assert!(some > 0 && some < all && !is_whole, "{some} of {all}");
}

#[test]
fn a_long_header_takes_time_in_proportion() {
    // Each of these would take long if something were looked for anew for each name.
    for piece in [
        "sid=",
        "sid[",
        "sid[]=",
        "\"",
        "\\",
        "sid=\"",
        "sid=\"x\"x;",
        "sid=\\;",
        "sid=\"\\\\\";",
        "sid=A;",
        "sid=A&",
        "A&",
        " ",
        "\t ",
        "%73id=",
        "%",
        "_",
        "sid ",
        "=",
        "[",
        "]",
        "sid=\"\\\"",
        "s%69d[",
        "sid=,",
        "\u{a0}",
        "sid=A\"",
    ] {
        for before in ["", "sid=", "sid=\"", "sid["] {
            let line = before.to_owned() + &piece.repeat((1 << 13) / piece.len());
            let _ = read([line.as_bytes()], "sid");
            let _ = rewrite([line.as_bytes()], "sid", None);
        }
    }
}

/// Headers in which much could be taken for the cookie `sid` or `s_id`.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let before = select(&[
        "",
        "",
        "",
        " ",
        "\t",
        ",",
        ", ",
        "a=1 ",
        "x=\"a\"",
        "\"",
        "=",
        "==",
        "(",
        "@",
        "[",
        "\\",
        "$",
        ".",
        "_",
        "__Host-",
        "__Secure-",
        "a=1,",
        "a=1&",
        "%20",
        "\u{a0}",
        "\u{2003}",
        "x=\"",
        "a=\\",
        "$Version=1,",
        "$Version=1; ",
        "x={\"a\":1}, ",
    ]);
    let name = select(&[
        "sid",
        "sid",
        "sid",
        "s_id",
        "s.id",
        "s id",
        "s[id",
        "s%69d",
        "%73%69%64",
        "s%u0069d",
        "SID",
        "sid[]",
        "sid[0][a]",
        "sid[",
        "\"sid\"",
        "s%5Fid",
        "s%2569d",
        "sid.",
        "sid%00",
        "xsid",
    ]);
    let equals = select(&[
        "=",
        "=",
        "=",
        " = ",
        "\t=",
        "==",
        "",
        "\u{a0}=",
        "\u{85}=\u{a0}",
        "%3D",
    ]);
    let value = proptest::collection::vec(
        select(&[
            "A1b2", "A1b2", "B9z8", "\"", "\"", "\\", "\\101", "%41", "%2541", "%22", "%u0041",
            " ", "\t", ",", "&", "=", "/", ":", "(", "+", "%", "%ff", "\u{e9}", "\u{a0}",
            "\u{3000}", "j:", "\\\"", "\\;", "[", "}", "%C3%A9", "'",
        ]),
        0..5,
    )
    .prop_map(|pieces| pieces.concat());
    let between = select(&[
        ";", "; ", "; ", " ", ",", ", ", "", "\"; ", "&", ";;", " ; ",
    ]);
    let pair = (before, name, equals, value, between);
    proptest::collection::vec(pair, 1..4).prop_flat_map(|pairs| {
        let text: String = pairs
            .into_iter()
            .map(|(a, b, c, d, e)| [a, b, c, &d, e].concat())
            .collect();
        // In UTF-8, or each character as one byte where that is possible.
        let latin = text
            .chars()
            .map(|c| u8::try_from(c).unwrap_or(b'?'))
            .collect();
        select_owned(vec![text.into_bytes(), latin])
    })
}

fn select(values: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(values)
}

fn select_owned(values: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    proptest::sample::select(values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn what_a_parser_reads_is_found(line in line(), name in select(&["sid", "s_id"])) {
        let reading = read([&line[..]], name);
        if !matches!(reading, Reading::TooMany(_)) {
            let ids = ids_in(&line, name);
            for (parser, parse) in parsers::ALL {
                for value in parse(&line, name) {
                    let form = canonical(&value);
                    prop_assert!(
                        form.is_empty() || ids.iter().any(|id| *id == *form),
                        "{parser} reads {} in {}", value.escape_ascii(), line.escape_ascii(),
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_written_anew_is_read_as_the_one_id(lines in proptest::collection::vec(line(), 1..3), name in select(&["sid", "s_id"])) {
        let lines = || lines.iter().map(|line| &line[..]);
        if let Reading::Wide(ids) | Reading::Split { ids, .. } = read(lines(), name) {
            for id in &ids {
                assert_is_only(lines(), name, id);
                let encoded = rewrite(lines(), name, Some((id, Spelling::Encoded)));
                for (parser, parse) in parsers::ALL {
                    for value in encoded.iter().flat_map(|line| parse(line.as_bytes(), name)) {
                        prop_assert_eq!(&*canonical(&value), id.canonical(), "{} in {:?}", parser, encoded);
                    }
                }
            }
        }
        let none = rewrite(lines(), name, None);
        prop_assert!(matches!(read(none.iter().map(|line| line.as_bytes()), name), Reading::Plain(None)));
    }

    #[test]
    fn foreign_pairs_are_kept(pairs in proptest::collection::vec("[a-z]{1,4}=[ -:<-~]{0,12}", 1..5)) {
        let pairs: Vec<_> = pairs.iter().map(|pair| pair.trim()).filter(|pair| !pair.contains("sid")).collect();
        let line = pairs.join("; ");
        let id = Id::new(b"A1b2"[..].into());
        let written = rewrite([line.as_bytes()], "sid", Some((&id, Spelling::AsPresented))).unwrap();
        let expected = [&["sid=A1b2"], &pairs[..]].concat().join("; ");
        prop_assert_eq!(written.as_bytes(), expected.as_bytes());
    }

    #[test]
    fn any_bytes_can_be_read_and_written(lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..3), name in "[!#-'*+.0-9A-Z^_`a-z|~-]{1,4}") {
        let lines = || lines.iter().map(|line| &line[..]);
        let _ = read(lines(), &name);
        let _ = rewrite(lines(), &name, None);
    }
}
