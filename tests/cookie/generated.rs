//! What `CookieId` makes of headers that nobody has sent to a real parser.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use tower_login_timeout::{CookieId, IdentifySession, Presented, SessionKey};

use super::readers::{self, strict};
use crate::presented_by;

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    })]

    #[test]
    fn what_a_reader_finds_is_looked_up(line in line(), name in select(&["sid", "s_id"])) {
        let ids = ids(&presented_by(&CookieId::new(name).unwrap(), &[&line]));
        // The first ids of too many are looked up, and the others do not reach the service.
        if ids.len() < Presented::MOST {
            for (reader, id, value) in found(&line, name) {
                prop_assert!(
                    ids.contains(&id),
                    "{reader} reads {} in {}", value.escape_ascii(), line.escape_ascii(),
                );
            }
        }
    }

    #[test]
    fn a_header_written_anew_has_the_live_id_alone(
        lines in proptest::collection::vec(line(), 1..3),
        name in select(&["sid", "s_id"]),
    ) {
        let identify = CookieId::new(name).unwrap();
        let lines: Vec<_> = lines.iter().map(|line| &line[..]).collect();
        let presented = presented_by(&identify, &lines);
        if matches!(presented, Presented::None | Presented::One(_)) {
            return Ok(());
        }
        let ids = ids(&presented);
        for &live in &ids {
            let ended: Vec<_> = ids.iter().copied().filter(|&id| id != live).collect();
            let written = written_anew(&identify, &lines, Some(live), &ended).unwrap();
            let keys: Vec<_> = strict(&written, name).iter().map(SessionKey::of).collect();
            prop_assert_eq!(keys, [live], "{}", written.escape_ascii());
            for (reader, id, _) in found(&written, name) {
                prop_assert!(!ended.contains(&id), "{reader} in {}", written.escape_ascii());
            }
        }
        if let Some(written) = written_anew(&identify, &lines, None, &ids) {
            prop_assert_eq!(presented_by(&identify, &[&written]), Presented::None);
            prop_assert_eq!(found(&written, name).len(), 0);
        }
    }

    #[test]
    fn foreign_pairs_are_kept(
        pairs in proptest::collection::vec("[a-z]{1,4}=[!-:<-~]([ -:<-~]{0,11}[!-:<-~])?", 1..5),
    ) {
        let is_foreign = |pair: &&str| !pair.contains("sid");
        let pairs: Vec<_> = pairs.iter().map(|pair| &pair[..]).filter(is_foreign).collect();
        let line = [&pairs[..], &["s%69d=A1b2"]].concat().join("; ");
        let identify = CookieId::new("sid").unwrap();
        let live = Some(SessionKey::of("A1b2"));
        let written = written_anew(&identify, &[line.as_bytes()], live, &[]).unwrap();
        let expected = [&["sid=A1b2"], &pairs[..]].concat().join("; ");
        prop_assert_eq!(written, expected.into_bytes());
    }

    #[test]
    fn any_bytes_can_be_read_and_written(
        lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..3),
        name in "[!#-'*+.0-9A-Z^_`a-z|~-]{1,4}",
    ) {
        let is_valid = |line: &&[u8]| HeaderValue::from_bytes(line).is_ok();
        let lines: Vec<_> = lines.iter().map(|line| &line[..]).filter(is_valid).collect();
        let identify = CookieId::new(name).unwrap();
        let _ = presented_by(&identify, &lines);
        let _ = written_anew(&identify, &lines, None, &[]);
    }
}

/// Returns the ids that are looked up.
fn ids(presented: &Presented) -> Vec<SessionKey> {
    match presented {
        Presented::None => Vec::new(),
        Presented::One(id) => vec![*id],
        Presented::Ambiguous(ids) => ids.clone(),
        Presented::Split { ids, glued } => [&ids[..], glued].concat(),
        other => panic!("{other:?}"),
    }
}

/// Returns the reader, the id and its spelling, for each id that one of the readers finds.
fn found(line: &[u8], name: &str) -> Vec<(&'static str, SessionKey, Vec<u8>)> {
    let mut found = Vec::new();
    for (reader, read) in readers::ALL {
        for value in read(line, name) {
            let id = SessionKey::of(&value);
            if id != SessionKey::of("") {
                found.push((reader, id, value));
            }
        }
    }
    found
}

/// Returns the `Cookie` line that the wrapped service is given.
fn written_anew(
    identify: &CookieId,
    lines: &[&[u8]],
    live: Option<SessionKey>,
    ended: &[SessionKey],
) -> Option<Vec<u8>> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    identify.keep_only(&mut headers, live, ended);
    assert!(headers.get_all(COOKIE).iter().count() <= 1);
    headers.get(COOKIE).map(|line| line.as_bytes().to_vec())
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
        proptest::sample::select(vec![text.into_bytes(), latin])
    })
}

fn select(values: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(values)
}
