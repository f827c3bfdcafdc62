//! The answer to gRPC and gRPC-Web requests.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::request::head::RequestHead;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The status "unauthenticated".
const UNAUTHENTICATED: HeaderValue = HeaderValue::from_static("16");

/// What is encoded in `grpc-message`, as gRPC over HTTP/2 asks ("Percent-Encoded").
const NOT_IN_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Returns the content type of a gRPC or gRPC-Web request, without its parameters.
pub(super) fn content_type(request: RequestHead<'_>) -> Option<HeaderValue> {
    let value = request.headers().get(CONTENT_TYPE)?.as_bytes();
    let media_type = value.split(|byte| *byte == b';').next()?.trim_ascii();
    let rest = after(media_type, b"application/grpc")?;
    let suffix = match after(rest, b"-web") {
        // The text form is one of gRPC-Web alone.
        Some(rest) => after(rest, b"-text").unwrap_or(rest),
        None => rest,
    };
    match suffix.first() {
        None | Some(b'+') => HeaderValue::from_bytes(media_type).ok(),
        Some(_) => None,
    }
}

/// Makes the response: its headers carry the status, since it has no messages.
///
/// gRPC over HTTP/2 calls that "Trailers-Only", and gRPC-Web takes it over unchanged. So gRPC-Web
/// needs no trailers in the body, and its text form needs no base64.
pub(super) fn response(request: RequestHead<'_>, message: &str) -> Response<Bytes> {
    let grpc = HeaderValue::from_static("application/grpc");
    let content_type = content_type(request).unwrap_or(grpc);
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    insert_status(headers, message);
    response
}

/// Inserts the status "unauthenticated", and the message.
pub(crate) fn insert_status(headers: &mut HeaderMap, message: &str) {
    headers.insert(STATUS, UNAUTHENTICATED);
    let message = utf8_percent_encode(message, NOT_IN_MESSAGE).to_string();
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(MESSAGE, message);
    }
}

/// Returns what follows the prefix, in upper or lower case.
fn after<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn found(value: &'static str) -> Option<HeaderValue> {
        let request = Request::post("/").header(CONTENT_TYPE, value);
        content_type(RequestHead::from(&request.body(()).unwrap()))
    }

    #[test]
    fn grpc_and_grpc_web_are_recognised_with_and_without_a_message_format() {
        for value in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-web",
            "application/grpc-web+json",
            "application/grpc-web-text",
            "application/grpc-web-text+proto",
            "Application/GRPC-Web",
        ] {
            assert_eq!(found(value).unwrap(), value);
        }
    }

    #[test]
    fn parameters_are_left_out() {
        assert_eq!(
            found("application/grpc-web ; charset=utf-8").unwrap(),
            "application/grpc-web"
        );
    }

    #[test]
    fn other_types_are_not_grpc() {
        for value in [
            "application/grpcish",
            "application/grpc-",
            "application/grpc-text",
            "application/grpc-websocket",
            "application/grpc-web-texts",
            "application/json",
            "",
        ] {
            assert_eq!(found(value), None, "{value}");
        }
    }
}
