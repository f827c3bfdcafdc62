//! The contender `axum_session`.

use std::convert::Infallible;

use axum::Router;
use axum::routing::{get, post};
use axum_session::{Session, SessionConfig, SessionLayer, SessionNullPool, SessionStore};
use http::StatusCode;
use tower::{Layer, service_fn};

use super::{ABSOLUTE, IDLE, bare};
use crate::Failure;
use crate::harness::{Harness, ServiceHarness};
use crate::request::{LOG_IN, Request, Response};

/// Puts the layer, without a database, around a service that reads the session.
pub fn harness() -> Result<impl Harness, Failure> {
    ServiceHarness::new(async { Ok(layer().await?.layer(service_fn(answer))) })
}

/// Puts the layer around an axum application that reads the session.
pub async fn app() -> Result<Router, Failure> {
    let account = async |session: Memory| (page(&session), bare::hello().await);
    Ok(Router::new()
        .route("/account", get(account))
        .route(LOG_IN, post(async |session: Memory| log_in(&session)))
        .layer(layer().await?))
}

type Memory = Session<SessionNullPool>;

async fn layer() -> Result<SessionLayer<SessionNullPool>, Failure> {
    let (idle, absolute) = (IDLE.try_into()?, ABSOLUTE.try_into()?);
    let config = SessionConfig::default()
        .with_memory_lifetime(idle)
        .with_lifetime(absolute);
    Ok(SessionLayer::new(SessionStore::new(None, config).await?))
}

async fn answer(request: Request) -> Result<Response, Infallible> {
    let Some(session) = request.extensions().get::<Memory>() else {
        return Ok(bare::text(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let status = if request.uri().path() == LOG_IN {
        log_in(session)
    } else {
        page(session)
    };
    Ok(bare::text(status))
}

fn page(session: &Memory) -> StatusCode {
    match session.get::<String>("user") {
        Some(_) => StatusCode::OK,
        None => StatusCode::NO_CONTENT,
    }
}

fn log_in(session: &Memory) -> StatusCode {
    session.set("user", "ada");
    StatusCode::OK
}
