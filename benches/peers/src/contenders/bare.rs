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

/// The service alone.
///
/// # Errors
///
/// If there is no runtime for it.
pub fn harness() -> Result<impl Harness, Failure> {
    ServiceHarness::new(async { Ok(service_fn(answer)) })
}

/// An axum application alone.
pub fn app() -> Router {
    Router::new()
        .route("/account", get(hello))
        .route(LOG_IN, post(async || [new_session()]))
}

/// Says hello, and hands out a cookie to who logs in: all that is asked of an application by this crate.
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

/// What the innermost service answers, as axum answers a text.
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

/// A cookie as frameworks make them: 43 characters for 256 bits. These count up, which no hash can tell from chance.
pub(super) fn new_session() -> (HeaderName, String) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    (SET_COOKIE, format!("sid={number:043x}; Path=/; HttpOnly"))
}
