//! The contender `bare`: the service alone.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use http_body_util::Full;
use tower::service_fn;

use crate::Failure;
use crate::harness::{Harness, ServiceHarness};
use crate::request::{LOG_IN, Request, Response};

/// Makes the service without a layer.
pub fn harness() -> Result<impl Harness, Failure> {
    ServiceHarness::new(async { Ok(service_fn(answer)) })
}

/// Makes an axum application without a layer.
pub fn app() -> Router {
    Router::new()
        .route("/account", get(hello))
        .route(LOG_IN, post(async || [new_session()]))
}

/// Answers with a text. A log-in also gets a session cookie.
pub(super) async fn answer(request: Request) -> Result<Response, Infallible> {
    let mut response = text(StatusCode::OK);
    if request.uri().path() == LOG_IN {
        let (name, cookie) = new_session();
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(name, cookie);
        }
    }
    Ok(response)
}

/// Builds the response that axum builds for a text.
pub(super) fn text(status: StatusCode) -> Response {
    let mut response = Response::new(Full::new(Bytes::from_static(b"hello")));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

pub(super) async fn hello() -> &'static str {
    "hello"
}

/// Makes a cookie of the usual length: 43 characters, which is enough for 256 bits. The ids count
/// up. That makes no difference, since they are hashed.
pub(super) fn new_session() -> (HeaderName, String) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    (SET_COOKIE, format!("sid={number:043x}; Path=/; HttpOnly"))
}
