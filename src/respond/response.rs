//! `LoginTimeoutResponse`, the response that is ready to use.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::accept;
use super::format::ResponseFormat;
use super::grpc;
use super::login_page::{self, LoginPage};
use super::message::Message;
use super::phrase::{self, PhraseError};
use super::response_for_expired::ResponseForExpired;
#[cfg(feature = "hyper")]
use super::with_hyper::set_phrase;
#[cfg(not(feature = "hyper"))]
use super::without_hyper::set_phrase;
use crate::request::head::RequestHead;
use crate::session::verdict::Expired;

/// The header that says why: `idle`, `absolute`, `revoked`, `unknown` or `conflicting`.
pub(crate) const REASON: HeaderName = HeaderName::from_static("login-timeout-reason");

/// Answers `440 Login Time-out`. Each part of the response can be changed.
///
/// ```text
/// HTTP/1.1 440 Login Time-out
/// content-type: text/html; charset=utf-8
/// vary: accept
/// cache-control: no-store
/// login-timeout-reason: idle
///
/// <html><body>Your session has expired. Please log in again.</body></html>
/// ```
///
/// Microsoft's servers answer 440; it is not registered with IANA. A client that does not know a
/// status treats it as the first of its class, here `400` (RFC 9110, 15). Gateways that pass only
/// some statuses on, such as nginx's `auth_request`, need
/// [`with_status`](LoginTimeoutResponse::with_status) `401` or `403`.
///
/// ```
/// use http::{Request, StatusCode};
/// use tower_login_timeout::{
///     Expired, LoginTimeoutResponse, RequestHead, ResponseFormat, ResponseForExpired, Timestamp,
/// };
///
/// let for_an_api = LoginTimeoutResponse::new()
///     .with_status(StatusCode::UNAUTHORIZED)
///     .with_format(ResponseFormat::Json)
///     .with_message("Please log in again.");
///
/// let request = Request::get("/").body(()).unwrap();
/// let expired = Expired::conflicting(Timestamp::UNIX_EPOCH);
/// let response = for_an_api.response_for_expired(&expired, RequestHead::from(&request));
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.headers()["login-timeout-reason"], "conflicting");
/// assert_eq!(response.body(), r#"{"error":"Unauthorized","message":"Please log in again."}"#);
/// ```
#[derive(Clone, Debug)]
pub struct LoginTimeoutResponse {
    status: StatusCode,
    phrase: String,
    format: ResponseFormat,
    message: Message,
    headers: HeaderMap,
    login_page: Option<LoginPage>,
    return_url_name: String,
}

impl LoginTimeoutResponse {
    /// Creates a response with status 440, `Login Time-out`, in the format that the request
    /// prefers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            status: StatusCode::from_u16(440).unwrap_or(StatusCode::UNAUTHORIZED),
            phrase: "Login Time-out".to_owned(),
            format: ResponseFormat::Negotiated,
            message: Message::default(),
            headers: HeaderMap::new(),
            login_page: None,
            return_url_name: "returnUrl".to_owned(),
        }
    }

    /// Sets the status code. The default is 440.
    ///
    /// The reason phrase becomes that of the status, if it has one. Call
    /// [`with_phrase`](LoginTimeoutResponse::with_phrase) afterwards to set another. A `401` should
    /// come with a `WWW-Authenticate` header (RFC 9110, 15.5.2): add it by
    /// [`with_header`](LoginTimeoutResponse::with_header).
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        if let Some(phrase) = status.canonical_reason() {
            phrase.clone_into(&mut self.phrase);
        }
        self
    }

    /// Sets the reason phrase, such as Exchange's `Login Timeout`. The default is `Login Time-out`.
    ///
    /// hyper writes it on HTTP/1, with the feature `hyper`. HTTP/2 and HTTP/3 have no reason
    /// phrase. It is also the `error` of the JSON format and the `title` of problem details.
    ///
    /// # Errors
    ///
    /// Refuses a phrase with a line end or another control character, which cannot stand in a
    /// status line.
    ///
    /// ```
    /// use tower_login_timeout::LoginTimeoutResponse;
    ///
    /// assert!(LoginTimeoutResponse::new().with_phrase("Login Timeout").is_ok());
    /// assert!(LoginTimeoutResponse::new().with_phrase("Login\r\nTimeout").is_err());
    /// ```
    pub fn with_phrase(mut self, phrase: impl Into<String>) -> Result<Self, PhraseError> {
        self.phrase = phrase::checked(phrase.into())?;
        Ok(self)
    }

    /// Sets one format for all requests. The default is [`ResponseFormat::Negotiated`].
    #[must_use]
    pub fn with_format(mut self, format: ResponseFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets the sentence for people to read. It is escaped as the format needs it.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Message::sentence(message.into(), self.login_page.as_ref());
        self
    }

    /// Sets the body and its `Content-Type`, for all formats but gRPC, which has no body.
    #[must_use]
    pub fn with_body(mut self, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        self.message = Message::Body {
            content_type,
            body: body.into(),
        };
        self
    }

    /// Adds a header. It replaces a header of the same name that the response has by itself.
    /// Several calls with one name add several lines.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Redirects page navigations to this log-in page, with `303 See Other`. Scripts still get the
    /// 440. So does a form that was sent: its page has a link to the log-in page.
    ///
    /// A navigation is a `GET` or `HEAD` with `Sec-Fetch-Mode: navigate`. Where that header is
    /// missing, a navigation is one whose `Accept` names `text/html` and that has no
    /// `X-Requested-With`. The parameter `returnUrl` in the page's query says where the visitor
    /// wanted to go: a path on the same site, with axum's nesting prefix. A navigation to the
    /// log-in page itself is answered 440: make that page
    /// [exempt](crate::LoginTimeoutLayer::with_exempt).
    ///
    /// Characters that cannot stand in an address, such as a space or an umlaut, are
    /// percent-encoded.
    ///
    /// ```
    /// use http::Request;
    /// use tower_login_timeout::{
    ///     Expired, LoginTimeoutResponse, RequestHead, ResponseForExpired, Timestamp,
    /// };
    ///
    /// let respond = LoginTimeoutResponse::new().with_login_page("/login");
    /// let request = Request::get("/inbox?page=2").header("sec-fetch-mode", "navigate");
    /// let request = request.body(()).unwrap();
    /// let expired = Expired::conflicting(Timestamp::UNIX_EPOCH);
    /// let response = respond.response_for_expired(&expired, RequestHead::from(&request));
    /// assert_eq!(response.status(), 303);
    /// assert_eq!(response.headers()["location"], "/login?returnUrl=/inbox%3Fpage%3D2");
    /// ```
    #[must_use]
    pub fn with_login_page(mut self, path: impl Into<String>) -> Self {
        let page = LoginPage::new(&path.into());
        self.message = self.message.linked_to(&page);
        self.login_page = Some(page);
        self
    }

    /// Sets the name of the parameter that tells the log-in page where to return to. The default is
    /// `returnUrl`.
    ///
    /// Django calls it `next`, Rails applications often `return_to`. With an empty name the page is
    /// not told.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_login_timeout::{
    /// #     Expired, LoginTimeoutResponse, RequestHead, ResponseForExpired, Timestamp,
    /// # };
    /// let respond = LoginTimeoutResponse::new()
    ///     .with_login_page("/accounts/login/")
    ///     .with_return_url_name("next");
    /// # let request = Request::get("/inbox").header("sec-fetch-mode", "navigate");
    /// # let request = request.body(()).unwrap();
    /// # let expired = Expired::conflicting(Timestamp::UNIX_EPOCH);
    /// # let response = respond.response_for_expired(&expired, RequestHead::from(&request));
    /// assert_eq!(response.headers()["location"], "/accounts/login/?next=/inbox");
    /// ```
    #[must_use]
    pub fn with_return_url_name(mut self, name: impl Into<String>) -> Self {
        self.return_url_name = name.into();
        self
    }
}

impl Default for LoginTimeoutResponse {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseForExpired for LoginTimeoutResponse {
    fn response_for_expired(&self, expired: &Expired, request: RequestHead<'_>) -> Response<Bytes> {
        let reason = HeaderValue::from_static(expired.reason().as_str());
        let redirect = self
            .login_page
            .as_ref()
            .and_then(|page| page.redirect(request, &self.return_url_name));
        let mut response = redirect.unwrap_or_else(|| self.answer(request));
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REASON, reason);
        for name in self.headers.keys() {
            headers.remove(name);
        }
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        response
    }
}

impl LoginTimeoutResponse {
    fn answer(&self, request: RequestHead<'_>) -> Response<Bytes> {
        let format = self.format_for(request);
        let mut response = self
            .message
            .response(request, format, self.status, &self.phrase);
        let vary = match (&self.login_page, self.format) {
            (Some(_), _) => Some(login_page::VARIES),
            (None, ResponseFormat::Negotiated) => Some("accept"),
            (None, _) => None,
        };
        if let Some(vary) = vary {
            let vary = HeaderValue::from_static(vary);
            response.headers_mut().insert(VARY, vary);
        }
        if response.status() == self.status {
            set_phrase(&mut response, &self.phrase);
        }
        response
    }

    fn format_for(&self, request: RequestHead<'_>) -> ResponseFormat {
        match self.format {
            ResponseFormat::Negotiated if grpc::content_type(request).is_some() => {
                ResponseFormat::Grpc
            }
            ResponseFormat::Negotiated => {
                accept::preferred(request.headers()).unwrap_or(ResponseFormat::Html)
            }
            chosen => chosen,
        }
    }
}
