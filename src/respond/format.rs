//! The formats of the response.

use http::HeaderValue;

/// Chooses the format of a [`LoginTimeoutResponse`](crate::LoginTimeoutResponse).
///
/// ```
/// use tower_login_timeout::{LoginTimeoutResponse, ResponseFormat};
///
/// assert_eq!(ResponseFormat::default(), ResponseFormat::Negotiated);
/// let always_json = LoginTimeoutResponse::new().with_format(ResponseFormat::Json);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Answers in the format that the request asks for. This is the default.
    ///
    /// A request whose `Content-Type` is that of gRPC or gRPC-Web is answered in gRPC. Any other
    /// gets the one of HTML, JSON, problem details and plain text that `Accept` prefers (RFC 9110,
    /// 12.5.1), and HTML if `Accept` names none of them.
    #[default]
    Negotiated,
    /// Answers with a minimal HTML page.
    Html,
    /// Answers `{"error":"Login Time-out","message":"…"}`.
    Json,
    /// Answers with problem details for HTTP APIs (RFC 9457).
    Problem,
    /// Answers with one line of text.
    Text,
    /// Answers with status 200 and `grpc-status: 16` (unauthenticated), which is where a gRPC
    /// client looks.
    ///
    /// A gRPC-Web request gets its own content type back. A page of another origin can read
    /// `grpc-status` only if the CORS layer names it in `access-control-expose-headers`.
    Grpc,
}

impl ResponseFormat {
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Negotiated | Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Problem => "application/problem+json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Grpc => "application/grpc",
        })
    }
}
