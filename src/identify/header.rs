//! Which session does a header name?

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::{IdentifySession, Presented};
use crate::head::RequestHead;
use crate::key::SessionKey;

/// The session id is the token of `Authorization: Bearer <token>` (RFC 6750).
///
/// Other schemes count as no id. Two different tokens are [`Presented::Conflicting`].
///
/// ```
/// use tower_login_timeout::{BearerToken, IdentifySession, Presented, RequestHead, SessionKey};
///
/// let request = http::Request::get("/").header("authorization", "Bearer sesame").body(()).unwrap();
/// assert_eq!(
///     BearerToken.identify(RequestHead::from(&request)),
///     Presented::One(SessionKey::of("sesame")),
/// );
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BearerToken;

impl IdentifySession for BearerToken {
    fn identify(&self, request: RequestHead<'_>) -> Presented {
        let values = request.headers().get_all(AUTHORIZATION);
        presented(values.iter().filter_map(bearer_token))
    }
}

/// The session id is the value of a header, such as `X-Session-Id` or gRPC metadata.
///
/// An empty value counts as no id. Two different values are [`Presented::Conflicting`].
///
/// ```
/// use http::HeaderName;
/// use tower_login_timeout::{HeaderId, IdentifySession, Presented, RequestHead, SessionKey};
///
/// let identify = HeaderId::new(HeaderName::from_static("x-session-id"));
/// let request = http::Request::get("/").header("X-Session-Id", "sesame").body(()).unwrap();
/// assert_eq!(
///     identify.identify(RequestHead::from(&request)),
///     Presented::One(SessionKey::of("sesame")),
/// );
/// ```
#[derive(Clone, Debug)]
pub struct HeaderId(HeaderName);

impl HeaderId {
    /// The id is the value of this header.
    #[must_use]
    pub const fn new(name: HeaderName) -> Self {
        Self(name)
    }
}

impl IdentifySession for HeaderId {
    fn identify(&self, request: RequestHead<'_>) -> Presented {
        let values = request.headers().get_all(&self.0);
        presented(values.iter().map(|value| value.as_bytes().trim_ascii()))
    }
}

fn presented<'a>(ids: impl Iterator<Item = &'a [u8]>) -> Presented {
    ids.filter(|id| !id.is_empty())
        .fold(Presented::None, |presented, id| {
            presented.and(SessionKey::of(id))
        })
}

fn bearer_token(value: &HeaderValue) -> Option<&[u8]> {
    let value = value.as_bytes().trim_ascii();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

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
        for value in ["Bearer t", "bearer t", "BEARER   t "] {
            assert_eq!(
                identify(BearerToken, &[("authorization", value.as_bytes())]),
                one("t")
            );
        }
    }

    #[test]
    fn other_schemes_and_malformed_values_are_no_id() {
        for value in [
            &b"Basic dTpw"[..],
            b"Bearer",
            b"Bearer ",
            b"Bearert",
            b"",
            b"t",
        ] {
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
        assert_eq!(identify(BearerToken, &different), Presented::Conflicting);
    }

    #[test]
    fn a_header_is_read_whole_whatever_its_bytes() {
        let by_header = || HeaderId::new(HeaderName::from_static("x-session"));
        assert_eq!(
            identify(by_header(), &[("x-session", b" \xff\xfe ")]),
            one(b"\xff\xfe")
        );
        assert_eq!(
            identify(by_header(), &[("x-session", b"")]),
            Presented::None
        );
        let different: [(&str, &[u8]); 2] = [("x-session", b"a"), ("x-session", b"b")];
        assert_eq!(identify(by_header(), &different), Presented::Conflicting);
    }
}
