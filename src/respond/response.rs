//! What do we say?

use bytes::Bytes;
use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::format::{Message, ResponseFormat};
use super::login_page::{self, LoginPage};
use super::phrase;
use super::response_for_expired::ResponseForExpired;
use crate::request::head::RequestHead;
use crate::session::verdict::Expired;

/// The header that says why: `idle`, `absolute`, `revoked`, `unknown` or `conflicting`.
pub(crate) const REASON: HeaderName = HeaderName::from_static("login-timeout-reason");

/// `440 Login Time-out`, each part of which can be changed.
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
/// 440 is what Microsoft's servers answer; it is not registered with IANA. RFC 9110, 15 has clients treat a status they do not know as
/// the first of its class, here `400`. Gateways that pass only some statuses on, such as nginx's `auth_request`, want
/// [`with_status`](LoginTimeoutResponse::with_status) `401` or `403`.
///
/// ```
/// use http::StatusCode;
/// use tower_login_timeout::{LoginTimeoutResponse, ResponseFormat};
///
/// let for_an_api = LoginTimeoutResponse::new()
///     .with_status(StatusCode::UNAUTHORIZED)
///     .with_format(ResponseFormat::Json)
///     .with_message("Please log in again.");
/// ```
#[derive(Clone, Debug)]
pub struct LoginTimeoutResponse {
    status: StatusCode,
    phrase: String,
    format: ResponseFormat,
    message: Message,
    headers: HeaderMap,
    login_page: Option<LoginPage>,
}

impl LoginTimeoutResponse {
    /// Status 440, `Login Time-out`, in the format that the request prefers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            status: StatusCode::from_u16(440).unwrap_or(StatusCode::UNAUTHORIZED),
            phrase: "Login Time-out".to_owned(),
            format: ResponseFormat::Negotiated,
            message: Message::default(),
            headers: HeaderMap::new(),
            login_page: None,
        }
    }

    /// Another status.
    ///
    /// A reason phrase of its own goes with 440 only; [`with_phrase`](LoginTimeoutResponse::with_phrase) after this sets one for any. RFC
    /// 9110, 15.5.2 wants a `WWW-Authenticate` header beside a `401`: [`with_header`](LoginTimeoutResponse::with_header) adds it.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        if let Some(phrase) = status.canonical_reason() {
            phrase.clone_into(&mut self.phrase);
        }
        self
    }

    /// Another reason phrase, such as Exchange's `Login Timeout`.
    ///
    /// It is written on HTTP/1 by hyper, with the feature `hyper`; HTTP/2 and HTTP/3 have none. A phrase with characters that cannot
    /// stand in a status line is ignored.
    #[must_use]
    pub fn with_phrase(mut self, phrase: impl Into<String>) -> Self {
        let phrase = phrase.into();
        if phrase.bytes().all(is_phrase_byte) {
            self.phrase = phrase;
        }
        self
    }

    /// One format for all requests, rather than the one that each prefers.
    #[must_use]
    pub fn with_format(mut self, format: ResponseFormat) -> Self {
        self.format = format;
        self
    }

    /// Another sentence for people to read. It is escaped as the format needs it.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Message::sentence(message.into());
        self
    }

    /// Another body altogether, with its `Content-Type`, for all formats but gRPC, which has none.
    #[must_use]
    pub fn with_body(mut self, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        self.message = Message::Body {
            content_type,
            body: body.into(),
        };
        self
    }

    /// One more header. A header of the response's own with the same name is replaced; several calls with one name add up.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sends page navigations to this log-in page, with `303 See Other`, and leaves the 440 to scripts.
    ///
    /// A navigation is a `GET` or `HEAD` with `Sec-Fetch-Mode: navigate`, or, from clients that do not send that header, one whose `Accept` names
    /// `text/html` and that has no `X-Requested-With`. The page is told where the visitor wanted to go by `returnUrl` in its query, a path on the
    /// same site. A navigation to the log-in page itself is answered 440: make it exempt.
    ///
    /// What cannot stand in an address, such as a space or an umlaut, is percent-encoded.
    #[must_use]
    pub fn with_login_page(mut self, path: impl Into<String>) -> Self {
        self.login_page = Some(LoginPage::new(&path.into()));
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
            .and_then(|page| page.redirect(request));
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
        let format = self.format.for_request(request);
        let mut response = self.message.response(format, self.status, &self.phrase);
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
            phrase::write(&mut response, &self.phrase);
        }
        response
    }
}

/// RFC 9112, 4.
fn is_phrase_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
