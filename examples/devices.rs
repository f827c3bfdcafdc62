//! The page that people know from their bank: your devices, this one marked, end one, end all
//! others.
//!
//! ```text
//! cargo run --example devices
//! cargo run --example devices -- 127.0.0.1:4401
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write;

use axum::extract::{Form, State};
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tower_login_timeout::{
    Clock, CookieId, LoginTimeoutLayer, MemoryStore, Policy, SessionHandle, SessionKey,
    SessionUser, StoreError, SystemClock, Tracker, Users, WhenFull,
};

/// How many devices a user may have. The next log-in ends the oldest session.
const MOST: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // All nodes of a real site have one secret, which outlives a restart.
    let secret = random_hex()?;
    let layer =
        LoginTimeoutLayer::new(Policy::default(), CookieId::new("sid")?, MemoryStore::new())
            .with_users(Users::new(secret)?.with_at_most(MOST, WhenFull::EndOldest));
    let tracker = layer.tracker();

    let site = Router::new()
        .route("/", get(devices))
        .route("/login", get(login_form).post(log_in))
        .route("/end", post(end_one))
        .route("/end-others", post(end_others))
        .layer(layer)
        .with_state(tracker);

    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:4400");
    let listener = TcpListener::bind(address).await?;
    println!(
        "listening on http://{}

Log in as the same user with two browsers, or with a private window. End one from the other.

Ctrl-C stops it.",
        listener.local_addr()?,
    );
    tokio::select! {
        biased;
        interrupted = ctrl_c() => interrupted?,
        served = axum::serve(listener, site) => served?,
    }
    Ok(())
}

/// Lists the user's devices. The session itself says whose it is.
async fn devices(session: SessionOrNone) -> Result<Response, StatusCode> {
    let Some(Extension(session)) = session else {
        return Ok(Redirect::to("/login").into_response());
    };
    let sessions = session.sessions_of_user().await.map_err(failed)?;
    let mut rows = String::new();
    for each in &sessions {
        let idle = SystemClock
            .now()
            .saturating_duration_since(each.last_activity());
        let end = if each.is_current() {
            "<b>this device</b>".to_owned()
        } else {
            let key = hex(each.key());
            format!(
                r#"<form method="post" action="/end"><button name="key" value="{key}">End</button></form>"#
            )
        };
        let device = html_text(each.label());
        let seconds = idle.as_secs();
        // Writing to a string cannot fail.
        let _ = write!(rows, "<tr><td>{device}<td>active {seconds} s ago<td>{end}");
    }
    let content = format!(
        r#"<h1>Your devices</h1><table>{rows}</table>
<form method="post" action="/end-others"><button>End all others</button></form>"#
    );
    Ok(page(&content).into_response())
}

/// Ends one session. It must be the user's own: anybody could send any key.
async fn end_one(
    session: SessionOrNone,
    State(tracker): State<Tracker>,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Redirect, StatusCode> {
    let Some(Extension(session)) = session else {
        return Err(StatusCode::FORBIDDEN);
    };
    let sessions = session.sessions_of_user().await.map_err(failed)?;
    let wanted = form.get("key").ok_or(StatusCode::BAD_REQUEST)?;
    let own = sessions.iter().find(|each| hex(each.key()) == *wanted);
    let own = own.ok_or(StatusCode::FORBIDDEN)?;
    tracker.revoke(own.key()).await.map_err(failed)?;
    Ok(Redirect::to("/"))
}

/// Ends all sessions of the user but this one.
async fn end_others(session: SessionOrNone) -> Result<Redirect, StatusCode> {
    let Some(Extension(session)) = session else {
        return Err(StatusCode::FORBIDDEN);
    };
    session.end_others().await.map_err(failed)?;
    Ok(Redirect::to("/"))
}

type SessionOrNone = Option<Extension<SessionHandle>>;

async fn login_form() -> Html<String> {
    page(
        r#"<h1>Log in</h1>
<form method="post" action="/login"><input name="name" placeholder="Your name" required autofocus> <button>Log in</button></form>"#,
    )
}

/// Logs a user in. A real site checks a password, or better.
async fn log_in(
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Result<impl IntoResponse, StatusCode> {
    let name = form.get("name").map_or("", |name| name);
    let id = random_hex().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let device = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    let user = SessionUser::new(name).with_label(device.unwrap_or("an unknown device"));
    // Behind TLS, add `Secure`.
    let cookie = format!("sid={id}; Path=/; HttpOnly; SameSite=Lax");
    Ok(([(SET_COOKIE, cookie)], Extension(user), Redirect::to("/")))
}

fn failed(_: StoreError) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

fn hex(key: SessionKey) -> String {
    format!("{:032x}", u128::from_be_bytes(key.to_bytes()))
}

fn random_hex() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn html_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn page(content: &str) -> Html<String> {
    Html(format!(
        r#"<!doctype html><meta charset="utf-8"><title>Devices</title><body style="font: 1.1em sans-serif; margin: 3em">{content}"#
    ))
}
