//! tower-sessions with its Redis store.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use time::OffsetDateTime;
use tower_sessions_014::{Expiry, Session, SessionManagerLayer};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};

use crate::Failure;
use crate::contenders::{ABSOLUTE, IDLE};
use crate::request::LOG_IN;

/// The number of connections, as in the documentation of the store.
const CONNECTIONS: usize = 6;

/// Builds an application with an idle timeout alone. Each request saves the session again.
pub(super) async fn sliding_app(url: &str) -> Result<Router, Failure> {
    let layer = SessionManagerLayer::new(store(url).await?)
        .with_expiry(Expiry::OnInactivity(IDLE.try_into()?))
        .with_always_save(true);
    Ok(application().layer(layer))
}

/// Builds an application with an absolute timeout alone.
pub(super) async fn fixed_app(url: &str) -> Result<Router, Failure> {
    let layer = SessionManagerLayer::new(store(url).await?)
        .with_expiry(Expiry::AtDateTime(OffsetDateTime::now_utc() + ABSOLUTE));
    Ok(application().layer(layer))
}

async fn store(url: &str) -> Result<RedisStore<Pool>, Failure> {
    let pool = Pool::new(Config::from_url(url)?, None, None, None, CONNECTIONS)?;
    pool.connect();
    pool.wait_for_connect().await?;
    Ok(RedisStore::new(pool))
}

fn application() -> Router {
    Router::new()
        .route("/account", get(page))
        .route(LOG_IN, post(log_in))
}

async fn page(session: Session) -> (StatusCode, &'static str) {
    let status = match session.get::<String>("user").await {
        Ok(Some(_)) => StatusCode::OK,
        Ok(None) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, "hello")
}

async fn log_in(session: Session) -> StatusCode {
    match session.insert("user", "ada").await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
