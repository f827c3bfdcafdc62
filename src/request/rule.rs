//! Rules that select requests, for [`with_passive`](crate::LoginTimeoutLayer::with_passive) and
//! [`with_exempt`](crate::LoginTimeoutLayer::with_exempt).
//!
//! Each function returns a closure. Any other closure from [`RequestHead`] to `bool` is a rule too:
//!
//! ```
//! use tower_login_timeout::{RequestHead, rule};
//!
//! fn matches(rule: impl rule::Rule, uri: &str) -> bool {
//!     let request = http::Request::get(uri).body(()).unwrap();
//!     rule(RequestHead::from(&request))
//! }
//!
//! assert!(matches(rule::path("/poll"), "/poll?since=7"));
//! assert!(matches(rule::path_prefix("/static"), "/static/site.css"));
//! assert!(!matches(rule::path_prefix("/static"), "/statics"));
//! assert!(matches(|request: RequestHead<'_>| request.uri().query().is_none(), "/"));
//! ```
//!
//! # Paths
//!
//! [`path`], [`path_prefix`] and [`query`] compare the target as the client sent it
//! ([`RequestHead::original_uri`]). So a rule names the whole path, also where the layer is inside
//! axum's `Router::nest`, and means the same request wherever the layer is:
//!
//! ```
//! # #[cfg(not(feature = "axum"))]
//! # fn main() {}
//! # #[cfg(feature = "axum")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use tower::ServiceExt;
//! use tower_login_timeout::{CookieId, LoginTimeoutLayer, MemoryStore, Policy, rule};
//!
//! let identify = CookieId::new("sid")?;
//! let timeouts = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new())
//!     .with_exempt(rule::path("/account/login"));
//! let account = Router::new()
//!     .route("/login", get(|| async { "the form" }))
//!     .route("/invoices", get(|| async { "the invoices" }))
//!     .layer(timeouts);
//! let app = Router::new().nest("/account", account);
//!
//! let request = |path| Request::get(path).header("cookie", "sid=unknown").body(Body::empty());
//! assert_eq!(app.clone().oneshot(request("/account/login")?).await?.status(), 200);
//! assert_eq!(app.oneshot(request("/account/invoices")?).await?.status(), 440);
//! # Ok(())
//! # }
//! ```
//!
//! That takes the feature `axum`. Without it, a rule inside `nest` sees the path without its
//! prefix.
//!
//! A path that is given to a rule may begin with a slash or not. Characters that cannot stand in a
//! path, such as a space or an umlaut, are percent-encoded as browsers do. Nothing is decoded:
//! `/%61` is not `/a`.

use http::{HeaderName, Method, Uri};

use super::address::encoded_path;
use super::head::RequestHead;

/// Decides whether a request matches. Every closure from [`RequestHead`] to `bool` is a rule.
///
/// ```
/// use tower_login_timeout::{RequestHead, rule::Rule};
///
/// fn is_upload(max: u64) -> impl Rule {
///     move |request: RequestHead<'_>| {
///         let length = request.headers().get("content-length");
///         let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
///         length.is_some_and(|length: u64| length > max)
///     }
/// }
///
/// let request = http::Request::post("/").header("content-length", "2000").body(()).unwrap();
/// assert!(is_upload(1000)(RequestHead::from(&request)));
/// assert!(!is_upload(3000)(RequestHead::from(&request)));
/// ```
pub trait Rule: Fn(RequestHead<'_>) -> bool + Send + Sync + 'static {}

impl<F: Fn(RequestHead<'_>) -> bool + Send + Sync + 'static> Rule for F {}

/// Matches requests for exactly this path. The query does not matter.
///
/// `poll` means `/poll`, and an empty path means `/`. [How paths are compared](self#paths).
///
/// ```
/// # use tower_login_timeout::{RequestHead, rule};
/// let login = rule::path("/login");
/// let request = |uri| http::Request::get(uri).body(()).unwrap();
/// assert!(login(RequestHead::from(&request("/login?next=/"))));
/// assert!(!login(RequestHead::from(&request("/login/"))));
/// ```
#[must_use]
pub fn path(path: impl Into<String>) -> impl Rule + Clone {
    let path = encoded_path(&path.into());
    move |request: RequestHead<'_>| request.original_uri().path() == path
}

/// Matches requests for this path and all paths below it.
///
/// `/static` matches `/static` and `/static/site.css`, not `/statics`. `static` and `/static/` mean
/// the same. All paths are below `/` and below the empty prefix, so both match every request: check
/// a prefix that comes from a configuration before you exempt it.
///
/// Some paths match no prefix, because the application might resolve them to another path than the
/// one that they seem to name: a path with an empty segment, with a segment that is `.` or begins
/// with `..`, with a backslash, or with a percent-encoded `.`, `/`, `\` or `%`. So a prefix that
/// has such a part itself matches nothing.
///
/// ```
/// # use tower_login_timeout::{RequestHead, rule};
/// let files = rule::path_prefix("/static");
/// let request = |uri| http::Request::get(uri).body(()).unwrap();
/// assert!(files(RequestHead::from(&request("/static/site.css"))));
/// assert!(!files(RequestHead::from(&request("/static/%2e%2e/members"))));
/// ```
#[must_use]
pub fn path_prefix(prefix: impl Into<String>) -> impl Rule + Clone {
    let mut prefix = encoded_path(&prefix.into());
    prefix.truncate(prefix.trim_end_matches('/').len());
    move |request: RequestHead<'_>| {
        let path = request.original_uri().path();
        path.strip_prefix(&*prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && is_canonical(path)
    }
}

/// Matches requests with this method.
///
/// ```
/// # use tower_login_timeout::{RequestHead, rule};
/// let request = http::Request::head("/").body(()).unwrap();
/// assert!(rule::method(http::Method::HEAD)(RequestHead::from(&request)));
/// ```
#[must_use]
pub fn method(method: Method) -> impl Rule + Clone {
    move |request: RequestHead<'_>| *request.method() == method
}

/// Matches requests that have this header with exactly this value, in any of its lines.
///
/// ```
/// # use tower_login_timeout::{RequestHead, rule};
/// let poll = rule::header(http::HeaderName::from_static("x-poll"), "yes");
/// let request = http::Request::get("/").header("X-Poll", "yes").body(()).unwrap();
/// assert!(poll(RequestHead::from(&request)));
/// ```
#[must_use]
pub fn header(name: HeaderName, value: impl Into<String>) -> impl Rule + Clone {
    let value = value.into();
    move |request: RequestHead<'_>| {
        let mut values = request.headers().get_all(&name).iter();
        values.any(|found| found.as_bytes() == value.as_bytes())
    }
}

/// Matches requests whose query has this pair. Both are compared as they are on the wire, without
/// decoding.
///
/// ```
/// # use tower_login_timeout::{RequestHead, rule};
/// let request = http::Request::get("/inbox?poll=1&since=7").body(()).unwrap();
/// assert!(rule::query("poll", "1")(RequestHead::from(&request)));
/// assert!(!rule::query("since", "70")(RequestHead::from(&request)));
/// ```
#[must_use]
pub fn query(name: impl Into<String>, value: impl Into<String>) -> impl Rule + Clone {
    let (name, value) = (name.into(), value.into());
    move |request: RequestHead<'_>| has_query_pair(request.original_uri(), &name, &value)
}

/// Matches requests that Exchange's Outlook Web Access does not count as the user's activity: with
/// the header `X-UserActivity: 0`, or with `UA=0` in the query.
///
/// ```
/// # use tower_login_timeout::{RequestHead, rule};
/// let request = http::Request::get("/owa/ev.owa2?UA=0").body(()).unwrap();
/// assert!(rule::exchange()(RequestHead::from(&request)));
/// ```
#[must_use]
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

/// Returns whether every server resolves the path to itself.
///
/// A rule that exempts `/static` must not exempt `/static/../members`, and what `..` looks like
/// depends on the server: some decode before they resolve dots, some take a backslash for a slash,
/// Java servers drop what follows a semicolon first, and some drop control characters after the
/// dots. So this refuses more paths than any one server resolves.
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
        let name = segment.split(';').next().unwrap_or_default();
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
    }

    #[test]
    fn a_slash_in_front_is_added_where_it_is_missing() {
        for prefix in ["static", "static/", "//static"] {
            assert!(matches(path_prefix(prefix), "/static/a"), "{prefix}");
            assert!(!matches(path_prefix(prefix), "/statics"), "{prefix}");
        }
        assert!(matches(path("poll"), "/poll"));
        assert!(!matches(path("poll"), "/polls"));
        assert!(matches(path(""), "/"));
        assert!(!matches(path(""), "/anything"));
    }

    #[test]
    fn every_path_is_below_the_empty_prefix() {
        for prefix in ["", "/", "//"] {
            assert!(matches(path_prefix(prefix), "/"), "{prefix:?}");
            assert!(matches(path_prefix(prefix), "/a/b"), "{prefix:?}");
            assert!(!matches(path_prefix(prefix), "/a/../b"), "{prefix:?}");
        }
    }

    #[test]
    fn a_path_is_encoded_as_browsers_do() {
        assert!(matches(path("/für mich"), "/f%C3%BCr%20mich"));
        assert!(matches(path_prefix("für mich"), "/f%C3%BCr%20mich/a"));
        assert!(matches(path("/wer?"), "/wer%3F"));
        assert!(!matches(path("/%61"), "/a"));
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
