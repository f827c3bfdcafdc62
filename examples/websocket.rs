//! A WebSocket that closes when its session ends, here or in another tab.
//!
//! ```text
//! cargo run --example websocket
//! cargo run --example websocket -- 127.0.0.1:4401
//! ```

use std::error::Error;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tower_login_timeout::{
    CookieId, Expired, LoginTimeoutLayer, MemoryStore, Policy, SessionHandle,
};

const IDLE: Duration = Duration::from_secs(30);

/// The code with which the socket closes, after the status 440. Applications may use 4000 to 4999
/// (RFC 6455, 7.4.2).
const LOGIN_TIMEOUT: u16 = 4440;

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>WebSocket</title>
<body style="font: 1.1em sans-serif; margin: 3em">
<form method="post" action="/login"><button>Log in</button></form>
<form method="post" action="/logout" target="_blank"><button>Log out in another tab</button></form>
<form id="say"><input autofocus> <button>Say</button></form>
<pre id="log"></pre>
<script>
  const log = (line) => document.getElementById("log").append(line + "\n");
  const socket = new WebSocket("ws://" + location.host + "/socket");
  socket.onopen = () => log("open");
  socket.onmessage = (event) => log(event.data);
  socket.onclose = (event) => log(`closed: ${event.code} ${event.reason}`);
  document.getElementById("say").onsubmit = (event) => {
    event.preventDefault();
    socket.send(event.target[0].value);
  };
</script>"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let layer = LoginTimeoutLayer::new(
        Policy::builder().with_idle(IDLE).build()?,
        CookieId::new("sid")?,
        MemoryStore::new(),
    );
    let site = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/socket", get(socket))
        .layer(layer);

    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:4400");
    let listener = TcpListener::bind(address).await?;
    println!(
        "listening on http://{}

In a browser: log in, say something. The socket closes {} s after your last message, and a few
seconds after a log-out in another tab.

Ctrl-C stops it.",
        listener.local_addr()?,
        IDLE.as_secs()
    );
    tokio::select! {
        biased;
        interrupted = ctrl_c() => interrupted?,
        served = axum::serve(listener, site) => served?,
    }
    Ok(())
}

/// Opens the socket for a session. Where there is none, the socket is refused.
///
/// Browsers do not send a cookie with `SameSite=Lax` to the socket of another site. With any other
/// cookie, compare the `Origin` too.
async fn socket(session: Option<Extension<SessionHandle>>, upgrade: WebSocketUpgrade) -> Response {
    match session {
        Some(Extension(session)) => upgrade.on_upgrade(|socket| talk(socket, session)),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

/// Says everything back, until the session is over.
async fn talk(mut socket: WebSocket, session: SessionHandle) {
    let mut ended = session.ended();
    loop {
        let message = tokio::select! {
            expired = &mut ended => return close(socket, &expired).await,
            message = socket.recv() => message,
        };
        match message {
            Some(Ok(Message::Text(text))) => {
                // A message is activity. It brings back no session that is over.
                if session.touch().await.is_err() || socket.send(Message::Text(text)).await.is_err()
                {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}

async fn close(mut socket: WebSocket, expired: &Expired) {
    let frame = CloseFrame {
        code: LOGIN_TIMEOUT,
        reason: expired.reason().as_str().into(),
    };
    // The client may be gone.
    let _ = socket.send(Message::Close(Some(frame))).await;
}

/// Logs a user in. A real site checks a password, or better.
async fn log_in() -> Result<impl IntoResponse, StatusCode> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let id = u128::from_be_bytes(id);
    // Behind TLS, add `Secure`.
    let cookie = format!("sid={id:032x}; Path=/; HttpOnly; SameSite=Lax");
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")))
}

async fn log_out() -> impl IntoResponse {
    let removal = "sid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax";
    ([(SET_COOKIE, removal)], "You are logged out.")
}
