//! The session id in a bearer token.

use http::HeaderValue;
use http::header::AUTHORIZATION;

use crate::identify::identify_session::{IdentifySession, Presented};
use crate::request::head::RequestHead;

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
        Presented::of(values.iter().filter_map(bearer_token))
    }
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
}
