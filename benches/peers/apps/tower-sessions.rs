//! A small application with tower-sessions.

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer, cookie::time::Duration};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_expiry(Expiry::OnInactivity(Duration::minutes(15)))
        .with_always_save(true);
    let hello = async |session: Session| {
        session
            .get("user")
            .await
            .ok()
            .flatten()
            .unwrap_or("hello".to_owned())
    };
    let app = Router::new().route("/", get(hello)).layer(sessions);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
