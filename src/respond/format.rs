//! In which words and which format?

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::accept;
use crate::request::head::RequestHead;

/// The format of a [`LoginTimeoutResponse`](crate::LoginTimeoutResponse).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// gRPC for requests whose `Content-Type` is gRPC's; else what `Accept` prefers of HTML, JSON, problem details and plain text, weights
    /// honoured; HTML if it prefers none.
    #[default]
    Negotiated,
    /// A minimal page.
    Html,
    /// `{"error":"Login Time-out","message":"…"}`.
    Json,
    /// Problem details for HTTP APIs (RFC 9457).
    Problem,
    /// One line of text.
    Text,
    /// Status 200 and `grpc-status: 16` (unauthenticated), which is where a gRPC client looks.
    Grpc,
}

impl ResponseFormat {
    pub(super) fn for_request(self, request: RequestHead<'_>) -> Self {
        match self {
            Self::Negotiated if is_grpc(request) => Self::Grpc,
            Self::Negotiated => accept::preferred(request.headers()).unwrap_or(Self::Html),
            chosen => chosen,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Negotiated | Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Problem => "application/problem+json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Grpc => "application/grpc",
        })
    }
}

/// What the body says.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// The page is what browsers get, so it is written once.
    Sentence { text: String, page: Bytes },
    Body {
        content_type: HeaderValue,
        body: Bytes,
    },
}

impl Message {
    pub(super) fn sentence(text: String) -> Self {
        let page = format!("<html><body>{}</body></html>", html_text(&text)).into();
        Self::Sentence { text, page }
    }

    pub(super) fn response(
        &self,
        format: ResponseFormat,
        status: StatusCode,
        phrase: &str,
    ) -> Response<Bytes> {
        let (content_type, body) = match self {
            _ if format == ResponseFormat::Grpc => return self.grpc(phrase),
            Self::Sentence { text, page } => {
                let body = match format {
                    ResponseFormat::Html | ResponseFormat::Negotiated => page.clone(),
                    ResponseFormat::Json => error_json(phrase, text).into(),
                    ResponseFormat::Problem => problem_json(status, phrase, text).into(),
                    ResponseFormat::Text | ResponseFormat::Grpc => text.clone().into(),
                };
                (format.content_type(), body)
            }
            Self::Body { content_type, body } => (content_type.clone(), body.clone()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }

    /// A response without messages carries its status in the headers ("Trailers-Only" in gRPC over HTTP/2).
    fn grpc(&self, phrase: &str) -> Response<Bytes> {
        let sentence = match self {
            Self::Sentence { text, .. } => text,
            Self::Body { .. } => phrase,
        };
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, ResponseFormat::Grpc.content_type());
        headers.insert(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("16"),
        );
        if let Ok(message) = HeaderValue::from_str(&percent_encoded(sentence, is_grpc_message_byte))
        {
            headers.insert(HeaderName::from_static("grpc-message"), message);
        }
        response
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::sentence("Your session has expired. Please log in again.".to_owned())
    }
}

fn error_json(phrase: &str, message: &str) -> String {
    format!(
        r#"{{"error":{},"message":{}}}"#,
        json_string(phrase),
        json_string(message)
    )
}

/// RFC 9457.
fn problem_json(status: StatusCode, phrase: &str, message: &str) -> String {
    format!(
        r#"{{"type":"about:blank","title":{},"status":{},"detail":{}}}"#,
        json_string(phrase),
        status.as_u16(),
        json_string(message)
    )
}

fn is_grpc(request: RequestHead<'_>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|value| {
        let media_type = value.as_bytes();
        let rest = media_type.strip_prefix(b"application/grpc");
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    })
}

fn html_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => json.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => json.push(plain),
        }
    }
    json.push('"');
    json
}

/// The text with every byte that is not plain written as `%XX`.
pub(super) fn percent_encoded(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn is_grpc_message_byte(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) && byte != b'%'
}
