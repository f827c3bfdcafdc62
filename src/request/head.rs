//! A request without its body, as identifiers, rules and responses see it.

use http::{Extensions, HeaderMap, Method, Request, Uri, request};

#[cfg(feature = "axum")]
use super::with_axum::original_uri;
#[cfg(not(feature = "axum"))]
use super::without_axum::original_uri;

/// Shows a request without its body to identifiers, rules and responses.
///
/// ```
/// use http::Request;
/// use tower_login_timeout::RequestHead;
///
/// let request = Request::get("/poll?since=7").header("x-poll", "yes").body(()).unwrap();
/// let head = RequestHead::from(&request);
/// assert_eq!(head.method(), "GET");
/// assert_eq!(head.uri().path(), "/poll");
/// assert_eq!(head.headers()["x-poll"], "yes");
/// assert!(head.extensions().is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// Returns the request's method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// Returns the request's target, as the wrapped service sees it.
    ///
    /// Inside axum's `Router::nest` this is the target without the prefix:
    /// [`original_uri`](RequestHead::original_uri) has the prefix.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// Returns the request's target as the client sent it.
    ///
    /// With the feature `axum`, that is `axum::extract::OriginalUri`, which the outermost `Router`
    /// notes in each request. Without that feature, or outside every `Router`, it is
    /// [`uri`](RequestHead::uri).
    ///
    /// ```
    /// use http::Request;
    /// use tower_login_timeout::RequestHead;
    ///
    /// let request = Request::get("/poll").body(()).unwrap();
    /// let head = RequestHead::from(&request);
    /// assert_eq!(head.original_uri(), head.uri());
    /// ```
    #[must_use]
    pub fn original_uri(&self) -> &'a Uri {
        original_uri(self.extensions).unwrap_or(self.uri)
    }

    /// Returns the request's headers.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// Returns what layers further out have attached to the request.
    #[must_use]
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }
}

impl<'a, B> From<&'a Request<B>> for RequestHead<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

impl<'a> From<&'a request::Parts> for RequestHead<'a> {
    fn from(parts: &'a request::Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }
}
