//! Starts the application that stands behind the reverse proxy.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::AppendHeaders;
use axum::routing::{get, post};
use tokio::net::TcpListener;

/// Starts a site that begins the session `alpha` at `/login` and ends it at `/logout`. It knows
/// nothing of timeouts.
pub async fn start() -> SocketAddr {
    let log_in = AppendHeaders([
        (SET_COOKIE, "sid=alpha; Path=/; HttpOnly"),
        (SET_COOKIE, "theme=dark"),
        (SET_COOKIE, "lang=en; Expires=Fri, 31 Dec 9999 23:59:59 GMT"),
    ]);
    let log_out = AppendHeaders([(SET_COOKIE, "sid=; Path=/; Max-Age=0")]);
    let headers = |headers: HeaderMap| async move {
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
        lines.collect::<String>()
    };
    let port =
        |ConnectInfo(client): ConnectInfo<SocketAddr>| async move { client.port().to_string() };
    let router = Router::new()
        .route("/login", post((log_in, "welcome")))
        .route("/logout", post((log_out, "goodbye")))
        .route("/headers", get(headers))
        .route("/port", get(port))
        .fallback("hello")
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}
