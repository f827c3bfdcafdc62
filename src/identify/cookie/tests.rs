//! Tests of what is read and written, case by case.
//!
//! `tests/cookie` tries the corpus and generated headers.

use crate::identify::cookie::ids::{Id, MAX};
use crate::identify::cookie::name::{Letters, Name};
use crate::identify::cookie::reading::{Reading, read};
use crate::identify::cookie::rewrite::{Spelling, rewrite};
use crate::session::canonical::canonical;

/// Returns the canonical forms of what is read.
fn ids_in(line: &[u8], name: &str) -> Vec<Vec<u8>> {
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
