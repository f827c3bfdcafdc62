//! A site with the layers of tower-http, in their order. `docs/order-of-layers.md` explains it.
//!
//! ```text
//! cd stacks
//! cargo run --example order
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_stream::{StreamExt, once, pending};
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tower_login_timeout::{
    Clock, CookieId, LoginTimeoutLayer, MemoryStore, Policy, SystemClock, rule,
};

/// Short, so that nobody has to wait.
pub const IDLE: Duration = Duration::from_secs(30);
/// How long a handler may take.
pub const SLOWEST: Duration = Duration::from_secs(10);
/// The origin of the page whose scripts may call this site.
pub const ORIGIN: &str = "https://app.example";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let site = site(timeouts(SystemClock)?);

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4400")).await?;
    let address = listener.local_addr()?;
    println!(
        "listening on http://{address}

  curl -i -c jar -X POST http://{address}/login
  curl -i -b jar -H 'origin: {ORIGIN}' http://{address}/
  curl -N --compressed -b jar http://{address}/events"
    );
    Ok(axum::serve(listener, site).await?)
}

/// The site with all its layers. In a `ServiceBuilder`, the first one is the outermost.
pub fn site(timeouts: LoginTimeoutLayer) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static(ORIGIN))
        .allow_credentials(true);
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_http())
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(cors)
        .layer(compression())
        .layer(timeouts)
        .layer(slowest());
    routes().layer(layers)
}

pub fn timeouts(clock: impl Clock) -> Result<LoginTimeoutLayer, Box<dyn Error>> {
    let policy = Policy::builder().with_idle(IDLE).build()?;
    Ok(
        LoginTimeoutLayer::new(policy, CookieId::new("sid")?, MemoryStore::new())
            .with_exempt(rule::path("/login"))
            .with_clock(clock),
    )
}

/// Compresses everything, also event streams, which tower-http leaves out unless told otherwise.
pub fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new().compress_when(SizeAbove::new(0))
}

pub fn slowest() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, SLOWEST)
}

/// The pages.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/login", post(log_in))
        .route("/slow", get(std::future::pending::<()>))
        .route("/events", get(events))
}

/// Logs everybody in, with one id. A real site checks a password and makes an id that nobody can
/// guess.
async fn log_in() -> impl IntoResponse {
    [(SET_COOKIE, "sid=sesame; Path=/; HttpOnly; SameSite=Lax")]
}

/// Says hello, and then nothing more.
async fn events() -> impl IntoResponse {
    let hello = Ok::<_, Infallible>(Bytes::from_static(b"data: hello\n\n"));
    let stream = once(hello).chain(pending());
    (
        [(CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(stream),
    )
}
