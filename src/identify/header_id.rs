//! Which session does a header name?

use http::HeaderName;

use crate::identify::identify_session::{IdentifySession, Presented};
use crate::request::head::RequestHead;

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
        Presented::of(values.iter().map(|value| value.as_bytes().trim_ascii()))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

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
