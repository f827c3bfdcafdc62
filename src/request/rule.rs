//! Which requests?
//!
//! Predicates for [`with_passive`](crate::LoginTimeoutLayer::with_passive) and
//! [`with_exempt`](crate::LoginTimeoutLayer::with_exempt). Each is a closure, and any closure of yours will do as well:
//!
//! ```
//! use tower_login_timeout::{RequestHead, rule};
//!
//! fn is_match(rule: impl Fn(RequestHead<'_>) -> bool, uri: &str) -> bool {
//!     let request = http::Request::get(uri).body(()).unwrap();
//!     rule(RequestHead::from(&request))
//! }
//!
//! assert!(is_match(rule::path("/poll"), "/poll?since=7"));
//! assert!(is_match(rule::path_prefix("/static"), "/static/site.css"));
//! assert!(!is_match(rule::path_prefix("/static"), "/statics"));
//! assert!(is_match(|request: RequestHead<'_>| request.uri().query().is_none(), "/"));
//! ```

use http::{HeaderName, Method, Uri};

use crate::request::head::RequestHead;

/// A question about a request. Every closure from [`RequestHead`] to `bool` is one.
pub trait Rule: Fn(RequestHead<'_>) -> bool + Send + Sync + 'static {}

impl<F: Fn(RequestHead<'_>) -> bool + Send + Sync + 'static> Rule for F {}

/// Requests for exactly this path, compared as it is on the wire.
pub fn path(path: impl Into<String>) -> impl Rule + Clone {
    let path = path.into();
    move |request: RequestHead<'_>| request.uri().path() == path
}

/// Requests for this path and all below it: `/static` matches `/static` and `/static/site.css`, not `/statics`.
///
/// A path with an empty segment, one that is `.` or begins with `..`, a backslash or a percent-encoded `.`, `/`, `\` or `%` never matches: the
/// application might resolve it to another place than the one it seems to name.
pub fn path_prefix(prefix: impl Into<String>) -> impl Rule + Clone {
    let prefix = prefix.into();
    move |request: RequestHead<'_>| {
        let path = request.uri().path();
        path.strip_prefix(prefix.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && is_canonical(path)
    }
}

/// Requests with this method.
pub fn method(method: Method) -> impl Rule + Clone {
    move |request: RequestHead<'_>| *request.method() == method
}

/// Requests that have this header with exactly this value.
pub fn header(name: HeaderName, value: impl Into<String>) -> impl Rule + Clone {
    let value = value.into();
    move |request: RequestHead<'_>| {
        let mut values = request.headers().get_all(&name).iter();
        values.any(|found| found.as_bytes() == value.as_bytes())
    }
}

/// Requests whose query has this pair, compared as it is on the wire.
pub fn query(name: impl Into<String>, value: impl Into<String>) -> impl Rule + Clone {
    let (name, value) = (name.into(), value.into());
    move |request: RequestHead<'_>| has_query_pair(request.uri(), &name, &value)
}

/// Requests that Exchange's Outlook Web Access does not count as the user's activity: with the header `X-UserActivity: 0`, or
/// with `UA=0` in the query.
pub fn exchange() -> impl Rule + Clone {
    let header = header(HeaderName::from_static("x-useractivity"), "0");
    let query = query("UA", "0");
    move |request: RequestHead<'_>| header(request) || query(request)
}

fn has_query_pair(uri: &Uri, name: &str, value: &str) -> bool {
    uri.query()
        .unwrap_or_default()
        .split('&')
        .any(|pair| pair.split_once('=').unwrap_or((pair, "")) == (name, value))
}

fn is_canonical(path: &str) -> bool {
    let hides_a_separator = |path: &str| {
        path.contains('\\')
            || path.as_bytes().windows(3).any(|window| {
                matches!(window, [b'%', b'2', b'5' | b'e' | b'E' | b'f' | b'F'])
                    || matches!(window, [b'%', b'5', b'c' | b'C'])
            })
    };
    let mut inner_segments = path.trim_start_matches('/').split('/').peekable();
    let mut resolves_to_itself = !path.starts_with("//");
    while let Some(segment) = inner_segments.next() {
        let is_last = inner_segments.peek().is_none();
        // Java servers drop what follows a semicolon before they resolve the dots.
        let name = segment.split(';').next().unwrap_or_default();
        // Some servers drop what cannot be seen after the dots.
        resolves_to_itself &=
            name != "." && !name.starts_with("..") && (!name.is_empty() || is_last);
    }
    resolves_to_itself && !hides_a_separator(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn matches(rule: impl Rule, uri: &str) -> bool {
        rule(RequestHead::from(&Request::get(uri).body(()).unwrap()))
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        for prefix in ["/static", "/static/"] {
            assert!(matches(path_prefix(prefix), "/static"));
            assert!(matches(path_prefix(prefix), "/static/"));
            assert!(matches(path_prefix(prefix), "/static/a/b.css?v=1"));
            assert!(!matches(path_prefix(prefix), "/statics"));
            assert!(!matches(path_prefix(prefix), "/a/static"));
        }
        assert!(matches(path_prefix("/"), "/anything"));
    }

    #[test]
    fn a_prefix_is_not_fooled_by_a_path_that_leads_elsewhere() {
        for path in [
            "/static/../members",
            "/static/%2e%2e/members",
            "/static/..%2Fmembers",
            "/static/..%5cmembers",
            "/static//members",
            "//static/members",
            "/static/./members",
            "/static/..;/members",
            "/static/..%00/members",
            "/static/%252e%252e/members",
        ] {
            assert!(!matches(path_prefix("/static"), path), "{path}");
        }
    }

    #[test]
    fn a_path_is_compared_whole() {
        assert!(matches(path("/poll"), "/poll?since=7"));
        assert!(!matches(path("/poll"), "/poll/7"));
    }

    #[test]
    fn a_query_pair_is_one_of_the_pairs() {
        assert!(matches(query("UA", "0"), "/?a=1&UA=0"));
        assert!(matches(query("flag", ""), "/?flag"));
        assert!(!matches(query("UA", "0"), "/?UA=01"));
        assert!(!matches(query("UA", "0"), "/?XUA=0"));
        assert!(!matches(query("UA", "0"), "/UA=0"));
    }

    #[test]
    fn methods_and_headers_are_compared_whole() {
        let request = Request::get("/").header("x-poll", "yes").body(()).unwrap();
        let head = RequestHead::from(&request);
        assert!(method(Method::GET)(head));
        assert!(!method(Method::POST)(head));
        assert!(header(HeaderName::from_static("x-poll"), "yes")(head));
        assert!(!header(HeaderName::from_static("x-poll"), "ye")(head));
    }

    #[test]
    fn exchange_marks_a_request_in_its_header_or_its_query() {
        assert!(matches(exchange(), "/owa/?UA=0"));
        assert!(!matches(exchange(), "/owa/?UA=1"));
        let with_header = |value| {
            Request::get("/")
                .header("X-UserActivity", value)
                .body(())
                .unwrap()
        };
        assert!(exchange()(RequestHead::from(&with_header("0"))));
        assert!(!exchange()(RequestHead::from(&with_header("1"))));
    }
}
