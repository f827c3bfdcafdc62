//! Where the layer answers a page itself, and what it answers there in general.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::request::address::encoded_path;

/// A page has this time to warn its user, unless it is set (WCAG 2.2, success criterion 2.2.1 asks
/// for twenty seconds).
const WARN_BEFORE: Duration = Duration::from_secs(60);

/// Where the layer answers, and how long before its end a session is warned of.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// It begins with a slash, and ends with none.
    path: String,
    pub(crate) warn_before: Duration,
}

impl Endpoint {
    pub(crate) fn new(path: &str) -> Self {
        Self {
            // As browsers send it.
            path: encoded_path(path.trim_end_matches('/')),
            warn_before: WARN_BEFORE,
        }
    }

    /// Returns what follows the path of the endpoint: nothing for the status, or the name of a
    /// file.
    #[inline]
    pub(crate) fn name<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(&*self.path)? {
            "" => Some(""),
            rest => rest.strip_prefix('/').filter(|name| !name.is_empty()),
        }
    }
}

/// Responds to a method that a resource does not have.
pub(crate) fn not_allowed(allowed: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Keeps a browser from guessing another type.
pub(crate) fn nosniff(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_other_letters_is_answered_as_browsers_send_it() {
        let endpoint = Endpoint::new("/große sitzung");
        let sent = "/gro%C3%9Fe%20sitzung";
        assert_eq!(endpoint.name(sent), Some(""));
    }

    #[test]
    fn the_endpoint_answers_at_its_path_and_below() {
        for path in ["/session", "session", "/session/"] {
            let endpoint = Endpoint::new(path);
            assert_eq!(endpoint.name("/session"), Some(""), "{path}");
            assert_eq!(endpoint.name("/session/a.js"), Some("a.js"), "{path}");
            for other in [
                "/",
                "/session/",
                "/sessions",
                "/sessions/a.js",
                "/a/session",
            ] {
                assert_eq!(endpoint.name(other), None, "{path} {other}");
            }
        }
    }
}
