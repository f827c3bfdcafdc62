//! The contenders `tower-sessions` and `tower-sessions-sliding`.

use std::convert::Infallible;

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

type SessionLayer = SessionManagerLayer<MemoryStore>;

/// Makes the layer with an idle timeout alone. Each request saves the session again.
pub fn sliding() -> SessionLayer {
    let idle = time::Duration::try_from(IDLE).unwrap_or(time::Duration::MAX);
    SessionManagerLayer::new(MemoryStore::default())
        .with_expiry(Expiry::OnInactivity(idle))
        .with_always_save(true)
}

/// Makes the layer with an absolute timeout alone.
pub fn fixed() -> SessionLayer {
    SessionManagerLayer::new(MemoryStore::default())
        .with_expiry(Expiry::AtDateTime(OffsetDateTime::now_utc() + ABSOLUTE))
}

/// Puts the layer around a service that reads the session.
pub fn harness(layer: SessionLayer) -> Result<impl Harness, Failure> {
    ServiceHarness::new(async move { Ok(layer.layer(service_fn(answer))) })
}

/// Puts the layer around an axum application that reads the session.
pub fn app(layer: SessionLayer) -> Router {
    let account = async |session: Session| (page(session).await, bare::hello().await);
    Router::new()
        .route("/account", get(account))
        .route(LOG_IN, post(log_in))
        .layer(layer)
}

/// Answers with a status. It reads the session, since tower-sessions looks up no session that is
/// not read, and so does not notice that it is over.
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
