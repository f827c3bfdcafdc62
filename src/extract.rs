//! `SessionHandle` as an axum extractor.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::tracker::session_handle::SessionHandle;

/// Rejects a request that has no live session, with `403 Forbidden`.
///
/// A handler that takes a [`SessionHandle`] is not called for requests that are anonymous, exempt
/// or unchecked, or where no [`LoginTimeoutLayer`](crate::LoginTimeoutLayer) is around the handler.
/// One that takes an `Option<SessionHandle>` is called.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use tower::ServiceExt;
/// use tower_login_timeout::{CookieId, LoginTimeoutLayer, MemoryStore, Policy, SessionHandle};
///
/// let identify = CookieId::new("sid")?;
/// let timeouts = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
/// timeouts.tracker().start("sesame").await?;
/// let app = Router::new()
///     .route("/members", get(|session: SessionHandle| async move {
///         format!("{} s left", session.remaining().as_secs())
///     }))
///     .layer(timeouts);
///
/// let anonymous = Request::get("/members").body(Body::empty())?;
/// assert_eq!(app.clone().oneshot(anonymous).await?.status(), 403);
/// let member = Request::get("/members").header("cookie", "sid=sesame").body(Body::empty())?;
/// assert_eq!(app.oneshot(member).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NoSession;

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this request has no live session: please log in")
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
