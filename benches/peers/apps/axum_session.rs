//! A small application with axum_session.

use axum::Router;
use axum::routing::get;
use axum_session::{Session, SessionConfig, SessionLayer, SessionNullPool, SessionStore};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = SessionLayer::new(
        SessionStore::<SessionNullPool>::new(None, SessionConfig::default()).await?,
    );
    let hello =
        async |session: Session<SessionNullPool>| session.get("user").unwrap_or("hello".to_owned());
    let app = Router::new().route("/", get(hello)).layer(sessions);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
