//! Tests of `CookieId`: which cookies are a session id, and which responses begin or end a session.

#![allow(unreachable_pub, reason = "a program exports nothing")]

mod cookie {
    mod corpus;
    mod generated;
    mod readers;
}

use http::{HeaderMap, HeaderValue, Request};
use tower_login_timeout::{
    CookieId, CookieIdError, IdentifySession, Issued, ManualClock, Presented, RequestHead,
    SessionKey,
};

fn presented_by(identify: &CookieId, lines: &[&[u8]]) -> Presented {
    let mut request = Request::get("/");
    for line in lines {
        request = request.header("cookie", HeaderValue::from_bytes(line).unwrap());
    }
    identify.identify(RequestHead::from(&request.body(()).unwrap()))
}

fn presented(lines: &[&[u8]]) -> Presented {
    presented_by(&CookieId::new("sid").unwrap(), lines)
}

fn issued_by(identify: &CookieId, lines: &[&[u8]]) -> Issued {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("set-cookie", HeaderValue::from_bytes(line).unwrap());
    }
    identify.issued(&headers, &ManualClock::new())
}

fn issued(lines: &[&[u8]]) -> Issued {
    issued_by(&CookieId::new("sid").unwrap(), lines)
}

/// Asserts that parsers may differ, and that some of them find these ids.
fn assert_ambiguous(lines: &[&[u8]], ids: &[&str]) {
    let found = match presented(lines) {
        Presented::Ambiguous(ids) | Presented::Split { ids, .. } => ids,
        other => panic!("{lines:?}: {other:?}"),
    };
    for id in ids {
        assert!(found.contains(&SessionKey::of(id)), "{lines:?}: {found:?}");
    }
}

fn one(id: impl AsRef<[u8]>) -> Presented {
    Presented::One(SessionKey::of(id))
}

#[test]
fn the_cookie_is_found_among_others_in_any_line() {
    assert_eq!(presented(&[b"sid=a"]), one("a"));
    assert_eq!(presented(&[b"theme=dark; sid=a; lang=de"]), one("a"));
    assert_eq!(presented(&[b"sid=a%2Bb%3D"]), one("a+b="));
    // Some servers keep one line of several, and some join them with a comma.
    assert_ambiguous(&[b"theme=dark", b"lang=de;sid=a"], &["a"]);
    // One parser ends a value at the first `=`.
    assert_ambiguous(&[b"sid=a=b=="], &["a=b==", "a"]);
}

#[test]
fn a_request_without_the_cookie_has_no_id() {
    let none: [&[&[u8]]; 6] = [
        &[],
        &[b""],
        &[b"sid"],
        &[b"xsid=a; sidx=a"],
        &[b";;;=;=="],
        &[b"SID=a"],
    ];
    for lines in none {
        assert_eq!(presented(lines), Presented::None, "{lines:?}");
    }
}

#[test]
fn what_some_parser_takes_for_the_cookie_is_looked_up() {
    for line in [
        "theme=\"sid=a\"",
        "=sid=a",
        "s%69d=a",
        "x sid=a",
        "x=1, sid=a",
    ] {
        assert_ambiguous(&[line.as_bytes()], &["a"]);
    }
}

#[test]
fn an_empty_value_is_no_id() {
    assert_eq!(presented(&[b"sid="]), Presented::None);
    assert_eq!(presented(&[b"sid=\"\""]), Presented::None);
    assert_ambiguous(&[b"sid=; sid=a"], &["a"]);
}

#[test]
fn the_same_value_twice_is_one_id_and_different_values_are_several() {
    let same = Presented::ambiguous([SessionKey::of("a")]);
    assert_eq!(presented(&[b"sid=a; sid=a"]), same);
    assert_ambiguous(&[b"sid=a", b"sid=%61"], &["a"]);
    assert_ambiguous(&[b"sid=a; sid=b"], &["a", "b"]);
    assert_ambiguous(&[b"sid=a", b"sid=b"], &["a", "b"]);
}

#[test]
fn quotes_belong_to_the_syntax() {
    assert_eq!(presented(&[b"sid=\"a\""]), one("a"));
    assert_ambiguous(&[b"sid=\"a"], &["\"a", "a"]);
    assert_eq!(
        issued(&[b"sid=\"a\"; Path=/"]),
        Issued::Started(SessionKey::of("a"))
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_an_id_in_latin_1_too() {
    assert_ambiguous(&[b"theme=\xff; sid=\xfe\xff"], &["þÿ"]);
    assert_eq!(
        issued(&[b"sid=\xfe\xff; Path=/"]),
        Issued::Started(SessionKey::of(b"\xfe\xff"))
    );
    assert_eq!(issued(&[b"sid=\xfe\xff; Max-Age=0"]), Issued::Ended);
}

#[test]
fn sixteen_kilobytes_of_cookies_are_read() {
    let mut line = Vec::new();
    while line.len() < 16 * 1024 {
        line.extend(b"theme=dark; ");
    }
    line.extend(b"sid=a");
    assert_eq!(presented(&[&line]), one("a"));
    let long = [b"sid=".as_slice(), &[b'x'; 16 * 1024]].concat();
    assert_eq!(presented(&[&long]), one([b'x'; 16 * 1024]));
}

#[test]
fn other_cookies_in_a_response_are_ignored() {
    let nothing: [&[&[u8]]; 4] = [&[], &[b"theme=dark"], &[b"sid"], &[b"SID=a"]];
    for lines in nothing {
        assert_eq!(issued(lines), Issued::Nothing, "{lines:?}");
    }
}

#[test]
fn the_removal_repeats_the_attributes_that_the_cookie_was_set_with() {
    let forget = |identify: CookieId| {
        let mut headers = HeaderMap::new();
        identify.forget(&mut headers);
        headers["set-cookie"].to_str().unwrap().to_owned()
    };
    let plain = forget(CookieId::new("sid").unwrap());
    assert_eq!(
        plain,
        "sid=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    );
    let full = CookieId::new("sid")
        .unwrap()
        .with_path("/app")
        .unwrap()
        .with_domain("example.com")
        .unwrap()
        .with_secure();
    let full = forget(full);
    for attribute in ["Path=/app", "Domain=example.com", "Secure", "Max-Age=0"] {
        assert!(full.split("; ").any(|found| found == attribute), "{full}");
    }
    for prefixed in ["__Host-sid", "__Secure-sid", "__host-sid"] {
        assert!(
            forget(CookieId::new(prefixed).unwrap()).contains("; Secure"),
            "{prefixed}"
        );
    }
}

#[test]
fn a_cookie_that_no_browser_would_keep_is_refused() {
    for name in ["", "a b", "a=b", "a;b", "sid\n", "ü"] {
        assert_eq!(
            CookieId::new(name).unwrap_err(),
            CookieIdError::Name(name.to_owned())
        );
    }
    let sid = || CookieId::new("sid").unwrap();
    assert!(sid().with_path("/; Domain=evil.example").is_err());
    assert!(sid().with_domain("evil\r\nx: y").is_err());
    assert!(sid().with_domain("").is_err());
    let host = || CookieId::new("__Host-sid").unwrap();
    assert_eq!(
        host().with_path("/app").unwrap_err(),
        CookieIdError::HostPrefix
    );
    assert_eq!(
        host().with_domain("example.com").unwrap_err(),
        CookieIdError::HostPrefix
    );
    assert!(host().with_path("/").is_ok());
    assert!(
        CookieId::new("__Secure-sid")
            .unwrap()
            .with_domain("example.com")
            .is_ok()
    );
}

#[cfg(any(feature = "signed", feature = "private"))]
mod sealed {
    use super::{issued_by, presented_by};
    use cookie::{Cookie, CookieJar, Key};
    use tower_login_timeout::{CookieId, Issued, Presented, SessionKey};

    /// Writes the value as the application's cookie jar does, raw or percent-encoded.
    fn sealed(seal: impl Fn(&mut CookieJar, Cookie<'static>)) -> [String; 2] {
        let mut jar = CookieJar::new();
        seal(&mut jar, Cookie::new("sid", "an id; with \"specials\""));
        let cookie = jar.get("sid").unwrap();
        [cookie.to_string(), cookie.encoded().to_string()]
    }

    /// The ids that are presented, whether parsers agree on them or not.
    fn ids(identify: &CookieId, line: &[u8]) -> Vec<SessionKey> {
        match presented_by(identify, &[line]) {
            Presented::None => Vec::new(),
            Presented::One(id) => vec![id],
            Presented::Ambiguous(ids) => ids,
            other => panic!("{other:?}"),
        }
    }

    fn check(identify: &CookieId, genuine: &[String; 2], forged: &[String; 2]) {
        for line in genuine {
            let encoded_or_safe = !line.contains(';');
            if encoded_or_safe {
                let id = SessionKey::of("an id; with \"specials\"");
                assert_eq!(ids(identify, line.as_bytes()), [id]);
                let started = Issued::Started(SessionKey::of("an id; with \"specials\""));
                assert_eq!(issued_by(identify, &[line.as_bytes()]), started);
            }
        }
        for line in forged {
            assert_eq!(ids(identify, line.as_bytes()), []);
            assert_eq!(issued_by(identify, &[line.as_bytes()]), Issued::Nothing);
        }
        for garbage in [&b"sid=a"[..], b"sid=%", b"sid=\xff", b"sid=%ff%fe"] {
            assert_eq!(ids(identify, garbage), []);
        }
        let both = format!("{}; {}", genuine[1], genuine[1]);
        let id = SessionKey::of("an id; with \"specials\"");
        assert_eq!(ids(identify, both.as_bytes()), [id]);
    }

    #[cfg(feature = "signed")]
    #[test]
    fn a_signed_value_counts_only_with_a_genuine_signature() {
        let (key, other) = (Key::generate(), Key::generate());
        let identify = CookieId::new("sid").unwrap().with_signed(key.clone());
        let sign = |key: Key| sealed(move |jar, cookie| jar.signed_mut(&key).add(cookie));
        check(&identify, &sign(key), &sign(other));
    }

    #[cfg(feature = "private")]
    #[test]
    fn an_encrypted_value_counts_only_if_it_can_be_decrypted_and_is_the_same_id_each_time() {
        let (key, other) = (Key::generate(), Key::generate());
        let identify = CookieId::new("sid").unwrap().with_private(key.clone());
        let encrypt = |key: Key| sealed(move |jar, cookie| jar.private_mut(&key).add(cookie));
        let [first, second] = [encrypt(key.clone()), encrypt(key.clone())];
        assert_ne!(first, second);
        let both = format!("{}; {}", first[1], second[1]);
        let id = SessionKey::of("an id; with \"specials\"");
        assert_eq!(ids(&identify, both.as_bytes()), [id]);
        check(&identify, &first, &encrypt(other));
    }
}
