//! How does an axum handler get its session?

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::tracker::SessionHandle;

/// The request has no live session: it is anonymous or exempt, or the handler is not behind a
/// [`LoginTimeoutLayer`](crate::LoginTimeoutLayer).
///
/// Answers `403 Forbidden`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NoSession;

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no session: please log in")
    }
}

impl Error for NoSession {}

impl IntoResponse for NoSession {
    fn into_response(self) -> Response {
        (StatusCode::FORBIDDEN, self.to_string()).into_response()
    }
}

impl<State: Sync> FromRequestParts<State> for SessionHandle {
    type Rejection = NoSession;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, NoSession> {
        parts.extensions.get().cloned().ok_or(NoSession)
    }
}

impl<State: Sync> OptionalFromRequestParts<State> for SessionHandle {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}
