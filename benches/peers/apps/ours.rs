//! A small application with this crate.

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_login_timeout::{CookieId, LoginTimeoutLayer, MemoryStore, Policy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let timeouts =
        LoginTimeoutLayer::new(Policy::default(), CookieId::new("sid")?, MemoryStore::new());
    let app = Router::new()
        .route("/", get(async || "hello"))
        .layer(timeouts);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
