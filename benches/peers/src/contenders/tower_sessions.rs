//! The contenders `tower-sessions` and `tower-sessions-sliding`.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use time::OffsetDateTime;
use tower::{Layer, service_fn};
use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer};

use super::{ABSOLUTE, IDLE, bare};
use crate::Failure;
use crate::harness::{Harness, ServiceHarness};
use crate::request::{LOG_IN, Request, Response};

/// A session that ends when it was idle for so long: every request saves it anew.
///
/// # Errors
///
/// If there is no runtime for it.
pub fn sliding(idle: Duration) -> Result<impl Harness, Failure> {
    let layer = sliding_layer(idle);
    ServiceHarness::new(async move { Ok(layer.layer(service_fn(answer))) })
}

/// A session that ends at its time, whatever its user does.
///
/// # Errors
///
/// If there is no runtime for it.
pub fn fixed() -> Result<impl Harness, Failure> {
    ServiceHarness::new(async { Ok(fixed_layer().layer(service_fn(answer))) })
}

/// An axum application with the one.
pub fn sliding_app() -> Router {
    application().layer(sliding_layer(IDLE))
}

/// An axum application with the other.
pub fn fixed_app() -> Router {
    application().layer(fixed_layer())
}

fn sliding_layer(idle: Duration) -> SessionManagerLayer<MemoryStore> {
    let idle = time::Duration::try_from(idle).unwrap_or(time::Duration::MAX);
    SessionManagerLayer::new(MemoryStore::default())
        .with_expiry(Expiry::OnInactivity(idle))
        .with_always_save(true)
}

fn fixed_layer() -> SessionManagerLayer<MemoryStore> {
    SessionManagerLayer::new(MemoryStore::default())
        .with_expiry(Expiry::AtDateTime(OffsetDateTime::now_utc() + ABSOLUTE))
}

/// Reads the session, since one that is not read is not looked up: an expired session would not be noticed.
async fn answer(request: Request) -> Result<Response, Infallible> {
    let Some(session) = request.extensions().get::<Session>().cloned() else {
        return Ok(bare::text(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let status = if request.uri().path() == LOG_IN {
        log_in(session).await
    } else {
        page(session).await
    };
    Ok(bare::text(status))
}

fn application() -> Router {
    Router::new()
        .route(
            "/account",
            get(async |session: Session| (page(session).await, bare::hello().await)),
        )
        .route(LOG_IN, post(log_in))
}

async fn page(session: Session) -> StatusCode {
    match session.get::<String>("user").await {
        Ok(Some(_)) => StatusCode::OK,
        Ok(None) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn log_in(session: Session) -> StatusCode {
    match session.insert("user", "ada").await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
