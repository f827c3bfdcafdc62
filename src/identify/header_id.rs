//! The session id in a header of its own.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::identify::header_value::{self, readings};
use crate::identify::identify_session::{IdentifySession, Presented};
use crate::request::head::RequestHead;
use crate::session::key::SessionKey;

/// An identifier that reads the value of a header, such as `X-Session-Id` or gRPC metadata.
///
/// An empty value is no id. Two values, a value with a comma or white space in it, and one with
/// bytes beyond ASCII are [`Presented::Ambiguous`].
///
/// CGI, WSGI, Rack and PHP know headers by names in which `-`, `_` and every other sign are the
/// same. So a header whose name differs from this one in such signs alone is read too, and the
/// application gets it under the right name.
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
    /// Creates an identifier that reads the value of this header.
    #[must_use]
    pub const fn new(name: HeaderName) -> Self {
        Self(name)
    }

    /// Returns the values of the header and of those that some application takes for it.
    fn values<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = (&'a HeaderName, &'a [u8])> {
        headers
            .iter()
            .filter(|(name, _)| is_same_name(name.as_str(), self.0.as_str()))
            .map(|(name, value)| (name, value.as_bytes().trim_ascii()))
            .filter(|(_, value)| !value.is_empty())
    }
}

impl IdentifySession for HeaderId {
    fn identify(&self, request: RequestHead<'_>) -> Presented {
        let mut values = self.values(request.headers());
        match (values.next(), values.next()) {
            (None, _) => Presented::None,
            (Some((name, value)), None) if *name == self.0 && value.iter().all(is_plain) => {
                SessionKey::of_presented(value).map_or(Presented::None, Presented::One)
            }
            _ => {
                let values = self.values(request.headers());
                let ids = values.flat_map(|(_, value)| readings(value));
                Presented::ambiguous(ids.filter_map(|id| SessionKey::of_presented(&id)))
            }
        }
    }

    fn keep_only(&self, headers: &mut HeaderMap, live: Option<SessionKey>, ended: &[SessionKey]) {
        let mut ids = self.values(headers).flat_map(|(_, value)| readings(value));
        let kept = live
            .and_then(|live| ids.find(|id| SessionKey::of(id) == live))
            .filter(|id| header_value::is_safe(id, ended))
            .and_then(|id| HeaderValue::from_bytes(&id).ok());
        drop(ids);
        let is_same = |name: &&HeaderName| is_same_name(name.as_str(), self.0.as_str());
        let names: Vec<_> = headers.keys().filter(is_same).cloned().collect();
        for name in names {
            headers.remove(name);
        }
        if let Some(kept) = kept {
            headers.insert(self.0.clone(), kept);
        }
    }
}

/// Returns whether some application takes one header for the other.
fn is_same_name(one: &str, other: &str) -> bool {
    let is_same = |(one, other): (u8, u8)| {
        one == other || !(one.is_ascii_alphanumeric() || other.is_ascii_alphanumeric())
    };
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(is_same)
}

/// Returns whether every application reads a value with this byte in it whole.
fn is_plain(byte: &u8) -> bool {
    byte.is_ascii_graphic() && !b",;\"\\".contains(byte)
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

    #[test]
    fn bytes_beyond_ascii_are_read_as_bytes_and_as_latin_1() {
        let by_header = || HeaderId::new(HeaderName::from_static("x-session"));
        assert_eq!(
            identify(by_header(), &[("x-session", b" \xff\xfe ")]),
            Presented::ambiguous([SessionKey::of(b"\xff\xfe"), SessionKey::of("ÿþ")])
        );
        assert_eq!(
            identify(by_header(), &[("x-session", b"")]),
            Presented::None
        );
        let different: [(&str, &[u8]); 2] = [("x-session", b"a"), ("x-session", b"b")];
        let both = Presented::ambiguous([SessionKey::of("a"), SessionKey::of("b")]);
        assert_eq!(identify(by_header(), &different), both);
    }

    #[test]
    fn a_name_that_a_gateway_takes_for_the_same_is_read_and_removed() {
        let identifier = HeaderId::new(HeaderName::from_static("x-session"));
        let request = Request::get("/")
            .header("x_session", "old")
            .body(())
            .unwrap();
        let found = identifier.identify(RequestHead::from(&request));
        assert_eq!(found, Presented::ambiguous([SessionKey::of("old")]));

        let (mut parts, ()) = request.into_parts();
        parts
            .headers
            .insert("x-session", HeaderValue::from_static("new"));
        let live = SessionKey::of("new");
        identifier.keep_only(&mut parts.headers, Some(live), &[]);
        assert!(!parts.headers.contains_key("x_session"));
        assert_eq!(parts.headers["x-session"], "new");
    }
}
