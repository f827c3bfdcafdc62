//! The response while the store fails, unless the application makes its own.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

/// Makes a `503 Service Unavailable` that is not stored and says when to try again.
pub(crate) fn unavailable() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(
        b"The session could not be checked. Please try again.",
    ));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
