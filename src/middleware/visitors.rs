//! How log-ins are told from the other responses of an application whose anonymous visitors have a
//! session cookie too.

use std::fmt;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::middleware::redirect::leads_back;
use crate::middleware::rules::Rules;
use crate::request::head::RequestHead;
use crate::request::rule::Rule;
use crate::session::limits::Limits;

/// Tells log-ins from other responses, for an application that gives anonymous visitors a session
/// cookie too.
///
/// Express with `saveUninitialized`, PHP and Rails do so. Without this, the layer takes each such
/// cookie for a log-in: a visitor who comes back later is told that the session has expired.
/// [`with_visitors`](crate::LoginTimeoutLayer::with_visitors) takes it.
///
/// | the request presents | what happens |
/// |---|---|
/// | the cookie of a visitor | it passes as it came, without a [`SessionHandle`](crate::SessionHandle) |
/// | the cookie of a visitor that has timed out | it passes without the cookie, and the response removes it |
/// | an id that the store does not know | the same |
/// | a session that has logged in | as without this: live, or answered 440 |
///
/// So the application never reads an id that has timed out, was revoked or is unknown. A log-in
/// that is not recognised is timed out as a visitor is, by the limits of
/// [`with_limits`](Visitors::with_limits) if they are set: its user becomes an anonymous visitor,
/// and nothing says why.
///
/// # What counts as a log-in
///
/// A response to a request that [`with_log_in`](Visitors::with_log_in) names, if it succeeds:
///
/// - a redirect, unless it leads back to the path of the request;
/// - a `2xx` of any type but HTML, since a log-in page that is shown again has that.
///
/// For a log-out, a page counts too, unless the request was a `GET`.
/// [`with_success`](Visitors::with_success) sets another rule. A response that names its user by a
/// [`SessionUser`](crate::SessionUser) counts too, where the layer was built
/// [`with_users`](crate::LoginTimeoutLayer::with_users). It does not matter whether the log-in
/// gives the visitor a new id, as OWASP ASVS 5.0, 7.2.4 asks, or keeps the one that is there.
///
/// An id that the request presents must be that of a live visitor. So an application that keeps the
/// id at the log-in should not exempt its log-in page: an id that the store has forgotten would
/// reach it there, and would not become a session.
///
/// [`Tracker::start`](crate::Tracker::start) makes a session of a visitor too, if the tracker is
/// [that of the layer](crate::LoginTimeoutLayer::tracker).
///
/// # Costs
///
/// A request of a session that has logged in costs what it costs without this. A visitor's request
/// costs two operations of the store, also behind a near cache. A log-in costs two or three more.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_login_timeout::{
///     CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy, Visitors, rule,
/// };
///
/// let clock = ManualClock::new();
/// let layer = LoginTimeoutLayer::new(Policy::default(), CookieId::new("sid")?, MemoryStore::new())
///     .with_visitors(Visitors::new().with_log_in(rule::path("/login")))
///     .with_clock(clock.clone());
/// // It gives a cookie to everybody, and shows which one it reads.
/// let application = layer.layer(service_fn(async |request: Request<()>| {
///     let cookie = request.headers().get("cookie").cloned();
///     let mut response = Response::new(String::new());
///     match cookie {
///         Some(cookie) => response.headers_mut().insert("x-cookie", cookie),
///         None => response.headers_mut().insert("set-cookie", "sid=0123".parse().unwrap()),
///     };
///     Ok::<_, Infallible>(response)
/// }));
/// let request = |path| Request::get(path).header("cookie", "sid=0123").body(()).unwrap();
///
/// application.clone().oneshot(Request::new(())).await?;
/// let response = application.clone().oneshot(request("/")).await?;
/// assert_eq!(response.headers()["x-cookie"], "sid=0123");
///
/// // Nobody has logged in, so nothing has expired. The application begins anew.
/// clock.advance(Duration::from_secs(3600));
/// let response = application.oneshot(request("/")).await?;
/// assert_eq!(response.status(), 200);
/// assert!(!response.headers().contains_key("x-cookie"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "give it to `LoginTimeoutLayer::with_visitors`"]
pub struct Visitors {
    log_in: Rules,
    log_out: Rules,
    success: Option<Arc<Success>>,
    limits: Limits,
}

type Success = dyn Fn(StatusCode, &HeaderMap) -> bool + Send + Sync;

impl Visitors {
    /// Creates a rule by which no response is a log-in, but one that names its user.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names requests that log in: the one that sends the form, or the one with which an identity
    /// provider sends the browser back. Rules add up.
    pub fn with_log_in(mut self, rule: impl Rule) -> Self {
        self.log_in.push(rule);
        self
    }

    /// Names requests that log out. Rules add up.
    ///
    /// It is for applications whose log-out gives the visitor another id, or keeps the one that is
    /// there. Without it, another id continues the session. If the log-out keeps the id, the
    /// response removes the cookie, since the id has ended. A log-out that removes the cookie is
    /// noticed without this.
    pub fn with_log_out(mut self, rule: impl Rule) -> Self {
        self.log_out.push(rule);
        self
    }

    /// Sets which responses say that a log-in or log-out has succeeded. The default is
    /// [above](Visitors#what-counts-as-a-log-in).
    ///
    /// ```
    /// use tower_login_timeout::{Visitors, rule};
    ///
    /// let visitors = Visitors::new()
    ///     .with_log_in(rule::path("/login"))
    ///     .with_success(|status, headers| status == 200 && headers.contains_key("hx-redirect"));
    /// # drop(visitors);
    /// ```
    pub fn with_success(
        mut self,
        success: impl Fn(StatusCode, &HeaderMap) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.success = Some(Arc::new(success));
        self
    }

    /// Sets the timeouts of visitors who have not logged in. The default is those of the policy.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Visitors {
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns what a request attempts, if it is a log-in or a log-out.
    #[cold]
    pub(super) fn attempt(&self, request: RequestHead<'_>) -> Option<Box<Attempt>> {
        let aim = if self.log_in.any(request) {
            Aim::LogIn
        } else if self.log_out.any(request) {
            Aim::LogOut
        } else {
            return None;
        };
        Some(Box::new(Attempt {
            aim,
            is_safe: request.method().is_safe(),
            path: request.original_uri().path().into(),
        }))
    }

    /// Returns what an attempt has achieved, if its response says that it has succeeded.
    pub(super) fn achieved(
        &self,
        attempt: Option<&Attempt>,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<Aim> {
        let attempt = attempt?;
        let succeeds = match &self.success {
            Some(success) => success(status, headers),
            None => attempt.succeeds(status, headers),
        };
        succeeds.then_some(attempt.aim)
    }
}

/// A request that attempts to log in or out.
pub(super) struct Attempt {
    aim: Aim,
    /// Whether the request asks for a page, and changes nothing by itself (RFC 9110, 9.2.1).
    is_safe: bool,
    path: Box<str>,
}

/// What a request attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    LogIn,
    LogOut,
}

impl Attempt {
    fn succeeds(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        if status.is_redirection() {
            let location = headers.get(LOCATION).map(HeaderValue::as_bytes);
            return location.is_some_and(|location| !leads_back(location, &self.path));
        }
        // A form that is shown again, or one that asks whether to log out.
        let is_form = is_html(headers) && (self.aim == Aim::LogIn || self.is_safe);
        status.is_success() && !is_form
    }
}

fn is_html(headers: &HeaderMap) -> bool {
    const HTML: &[u8] = b"text/html";
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type
        .and_then(|content_type| content_type.get(..HTML.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(HTML))
}

impl fmt::Debug for Visitors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitors")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::request::rule;

    fn visitors() -> Visitors {
        Visitors::new()
            .with_log_in(rule::path("/account/login"))
            .with_log_out(rule::path("/account/logout"))
    }

    fn achieved(
        visitors: &Visitors,
        path: &str,
        status: u16,
        headers: &[(&str, &str)],
    ) -> Option<Aim> {
        let request = Request::post(path).body(()).unwrap();
        let attempt = visitors.attempt(RequestHead::from(&request));
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(()).unwrap();
        visitors.achieved(attempt.as_deref(), response.status(), response.headers())
    }

    fn logs_in(status: u16, headers: &[(&str, &str)]) -> bool {
        achieved(&visitors(), "/account/login?next=/", status, headers) == Some(Aim::LogIn)
    }

    #[test]
    fn a_redirect_is_a_log_in_unless_it_leads_back() {
        assert!(logs_in(302, &[("location", "/")]));
        assert!(logs_in(302, &[("location", "/größe")]));
        assert!(!logs_in(303, &[("location", "/account/login?error=1")]));
        assert!(!logs_in(304, &[]));
    }

    #[test]
    fn a_page_is_no_log_in_and_data_is_one() {
        assert!(!logs_in(
            200,
            &[("content-type", "text/html; charset=utf-8")]
        ));
        assert!(!logs_in(200, &[("content-type", "Text/HTML")]));
        assert!(logs_in(200, &[("content-type", "application/json")]));
        assert!(logs_in(204, &[]));
        for status in [400, 401, 403, 422, 429, 500] {
            assert!(!logs_in(status, &[("content-type", "application/json")]));
        }
    }

    #[test]
    fn a_log_out_may_answer_with_a_page_unless_it_only_asks() {
        let page = &[("content-type", "text/html")][..];
        let logout = "/account/logout";
        assert_eq!(achieved(&visitors(), logout, 200, page), Some(Aim::LogOut));
        let request = Request::get(logout).body(()).unwrap();
        let attempt = visitors().attempt(RequestHead::from(&request)).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        assert!(!attempt.succeeds(StatusCode::OK, &headers));
    }

    #[test]
    fn the_rule_says_which_request_it_is() {
        let visitors = visitors();
        let home = &[("location", "/")][..];
        assert_eq!(
            achieved(&visitors, "/account/logout", 302, home),
            Some(Aim::LogOut)
        );
        assert_eq!(achieved(&visitors, "/account", 302, home), None);
        let all = visitors.with_success(|status, _| status == 401);
        assert_eq!(achieved(&all, "/account/login", 401, &[]), Some(Aim::LogIn));
        assert_eq!(achieved(&all, "/account/login", 302, home), None);
    }
}
