//! A page with htmx, whose session is watched. `docs/beside-htmx.md` explains it.
//!
//! ```text
//! cd stacks
//! cargo run --example htmx -- 127.0.0.1:4400 path/to/htmx.min.js
//! ```

use std::error::Error;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tower_login_timeout::{
    Clock, CookieId, LoginTimeoutLayer, LoginTimeoutResponse, MemoryStore, Policy, SessionHandle,
    SystemClock, rule,
};

/// Short, so that nobody has to wait.
pub const IDLE: Duration = Duration::from_secs(90);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next();
    let htmx = match arguments.next() {
        Some(path) => std::fs::read_to_string(path)?,
        None => "alert('give this example the path of htmx.min.js')".to_owned(),
    };
    let site = routes(htmx).layer(timeouts(SystemClock)?);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4400")).await?;
    println!(
        "listening on http://{}

Log in, wait for {} s without touching anything, and click.",
        listener.local_addr()?,
        IDLE.as_secs(),
    );
    Ok(axum::serve(listener, site).await?)
}

pub fn timeouts(clock: impl Clock) -> Result<LoginTimeoutLayer, Box<dyn Error>> {
    let policy = Policy::builder().with_idle(IDLE).build()?;
    let response = LoginTimeoutResponse::new().with_login_page("/login");
    Ok(
        LoginTimeoutLayer::new(policy, CookieId::new("sid")?, MemoryStore::new())
            .with_browser("/session")
            .with_exempt(rule::path("/login"))
            .with_exempt(rule::path("/htmx.js"))
            .with_response(response)
            .with_clock(clock),
    )
}

/// The pages.
pub fn routes(htmx: String) -> Router {
    let htmx = ([(CONTENT_TYPE, "text/javascript")], htmx);
    Router::new()
        .route("/", get(page))
        .route("/part", get(part))
        .route("/login", get(login_form).post(log_in))
        .route("/htmx.js", get(htmx))
}

async fn page(session: Option<Extension<SessionHandle>>) -> Response {
    if session.is_none() {
        return Redirect::to("/login").into_response();
    }
    Html(
        r#"<!doctype html>
<script src="/htmx.js"></script>
<script type="module" src="/session/login-timeout.js" data-login-url="/login"></script>
<button hx-get="/part" hx-target="next div">What is left?</button><div></div>"#,
    )
    .into_response()
}

/// A part of the page. A visitor without a session is sent to the log-in page by htmx.
async fn part(session: Option<Extension<SessionHandle>>, headers: HeaderMap) -> Response {
    match session {
        Some(Extension(session)) => {
            format!("{} seconds", session.remaining().as_secs()).into_response()
        }
        None if headers.contains_key("hx-request") => [("hx-redirect", "/login")].into_response(),
        None => Redirect::to("/login").into_response(),
    }
}

async fn login_form() -> Html<&'static str> {
    Html(r#"<form method="post" action="/login"><button>Log in</button></form>"#)
}

/// Logs everybody in. A real site checks a password, or better.
async fn log_in() -> Result<impl IntoResponse, String> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| error.to_string())?;
    let id = u128::from_be_bytes(id);
    let cookie = format!("sid={id:032x}; Path=/; HttpOnly; SameSite=Lax");
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")))
}
