//! The session id in a bearer token.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::identify::header_value::{self, readings};
use crate::identify::identify_session::{IdentifySession, Presented};
use crate::request::head::RequestHead;
use crate::session::key::SessionKey;

/// An identifier that reads the token of `Authorization: Bearer <token>` (RFC 6750).
///
/// Other schemes are no id. The scheme is read in any case, and any white space may follow it,
/// since applications read it so. A token of other characters than RFC 6750 allows is
/// [`Presented::Ambiguous`]: some applications end it at the first space or comma, and some do not.
///
/// ```
/// use tower_login_timeout::{BearerToken, IdentifySession, Presented, RequestHead, SessionKey};
///
/// let request = http::Request::get("/").header("authorization", "Bearer sesame");
/// let request = request.body(()).unwrap();
/// assert_eq!(
///     BearerToken.identify(RequestHead::from(&request)),
///     Presented::One(SessionKey::of("sesame")),
/// );
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BearerToken;

const SCHEME: &[u8] = b"bearer";

impl IdentifySession for BearerToken {
    fn identify(&self, request: RequestHead<'_>) -> Presented {
        let values = request.headers().get_all(AUTHORIZATION);
        values
            .iter()
            .filter_map(|value| token(value.as_bytes()))
            .fold(Presented::None, |presented, token| {
                presented.and(token.presented())
            })
    }

    fn keep_only(&self, headers: &mut HeaderMap, live: Option<SessionKey>, ended: &[SessionKey]) {
        let (tokens, others): (Vec<_>, Vec<_>) = headers
            .get_all(AUTHORIZATION)
            .iter()
            .cloned()
            .partition(|value| token(value.as_bytes()).is_some());
        if tokens.is_empty() {
            return;
        }
        let mut ids = tokens
            .iter()
            .filter_map(|value| token(value.as_bytes()))
            .flat_map(|token| readings(token.text));
        let kept = live
            .and_then(|live| ids.find(|id| SessionKey::of(id) == live))
            .filter(|id| header_value::is_safe(id, ended))
            .and_then(|id| HeaderValue::from_bytes(&[b"Bearer ", &*id].concat()).ok());
        headers.remove(AUTHORIZATION);
        for value in others.into_iter().chain(kept) {
            headers.append(AUTHORIZATION, value);
        }
    }
}

/// What follows the scheme.
struct Token<'a> {
    text: &'a [u8],
    /// Whether the value is the scheme, white space and the token, and nothing else.
    is_plain: bool,
}

impl Token<'_> {
    fn presented(&self) -> Presented {
        match (self.text, self.is_plain) {
            ([], _) => Presented::None,
            (text, true) => SessionKey::of_presented(text).map_or(Presented::None, Presented::One),
            (text, false) => {
                Presented::ambiguous(readings(text).filter_map(|id| SessionKey::of_presented(&id)))
            }
        }
    }
}

/// Finds the scheme, and returns what follows it.
///
/// A proxy may have joined several values with commas, so the scheme need not stand first. Laravel
/// takes what follows the last `Bearer `, even where that is the end of another word: `xBearer T`.
fn token(value: &[u8]) -> Option<Token<'_>> {
    let value = value.trim_ascii();
    let is_scheme = |window: &[u8]| window.eq_ignore_ascii_case(SCHEME);
    let start = value.windows(SCHEME.len()).position(is_scheme)?;
    let rest = &value[start + SCHEME.len()..];
    let text = rest.trim_ascii();
    let is_plain = start == 0 && text.len() < rest.len() && text.iter().all(|byte| is_token(*byte));
    Some(Token { text, is_plain })
}

/// RFC 6750, 2.1: the characters of a token.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::session::key::SessionKey;

    fn identify(identify: impl IdentifySession, headers: &[(&str, &[u8])]) -> Presented {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        identify.identify(RequestHead::from(&request.body(()).unwrap()))
    }

    fn one(id: impl AsRef<[u8]>) -> Presented {
        Presented::One(SessionKey::of(id))
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer t", "bearer t", "BEARER   t ", "Bearer\tt"] {
            assert_eq!(
                identify(BearerToken, &[("authorization", value.as_bytes())]),
                one("t")
            );
        }
    }

    #[test]
    fn other_schemes_and_malformed_values_are_no_id() {
        for value in [&b"Basic dTpw"[..], b"Bearer", b"Bearer ", b"", b"t"] {
            assert_eq!(
                identify(BearerToken, &[("authorization", value)]),
                Presented::None
            );
        }
        assert_eq!(identify(BearerToken, &[]), Presented::None);
    }

    #[test]
    fn the_same_token_twice_is_one_and_two_conflict() {
        let same: [(&str, &[u8]); 2] = [
            ("authorization", b"Bearer t"),
            ("authorization", b"bearer t"),
        ];
        assert_eq!(identify(BearerToken, &same), one("t"));
        let different: [(&str, &[u8]); 2] = [
            ("authorization", b"Bearer t"),
            ("authorization", b"Bearer u"),
        ];
        let both = Presented::ambiguous([SessionKey::of("t"), SessionKey::of("u")]);
        assert_eq!(identify(BearerToken, &different), both);
    }

    #[test]
    fn a_token_that_some_applications_cut_has_several_readings() {
        for (value, ids) in [
            ("Bearert", &["t"][..]),
            ("Bearer t, u", &["t, u", "t", "u"]),
            ("Basic dTpw, Bearer t", &["t"]),
            ("xBearer t", &["t"]),
            ("xBearer a, Bearer t", &["a, Bearer t", "a", "Bearer", "t"]),
        ] {
            let ids = Presented::ambiguous(ids.iter().map(SessionKey::of));
            let found = identify(BearerToken, &[("authorization", value.as_bytes())]);
            assert_eq!(found, ids, "{value}");
        }
        let other = [("authorization", &b"x-bearer t"[..])];
        assert_ne!(identify(BearerToken, &other), Presented::None);
    }

    #[test]
    fn the_application_sees_the_live_token_alone() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic dTpw"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer old"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer new"));
        let live = SessionKey::of("new");
        BearerToken.keep_only(&mut headers, Some(live), &[SessionKey::of("old")]);
        let left: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
        assert_eq!(left, ["Basic dTpw", "Bearer new"]);
        BearerToken.keep_only(&mut headers, None, &[]);
        assert_eq!(headers[AUTHORIZATION], "Basic dTpw");
    }
}
