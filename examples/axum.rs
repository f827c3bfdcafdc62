//! A small site with log-in, to watch a session end within a minute.
//!
//! ```text
//! cargo run --example axum
//! cargo run --example axum -- 127.0.0.1:4401
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tower_login_timeout::{
    CookieId, LoginTimeoutLayer, MemoryStore, Policy, SessionHandle, SessionKey, rule,
};

const IDLE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // The layer needs no more than this. The handlers below set and remove the cookie, as they
    // would without it.
    let layer = LoginTimeoutLayer::new(
        Policy::builder().with_idle(IDLE).build()?,
        CookieId::new("sid")?,
        MemoryStore::new(),
    )
    .with_exempt(rule::path("/login"));

    let site = Router::new()
        .route("/", get(members))
        .route("/login", get(login_form).post(log_in))
        .route("/logout", post(log_out))
        .layer(layer)
        .with_state(Users::default());

    let listener = listen().await?;
    let address = listener.local_addr()?;
    println!(
        "listening on http://{address}

In a browser: log in, wait for {idle} s, reload: 440 Login Time-out. Reload again to reach the log-in page.

With curl:
  curl -i -c jar -d name=Ada http://{address}/login
  curl -i -b jar http://{address}/
  sleep {idle}; curl -i -b jar http://{address}/

Ctrl-C stops it.",
        idle = IDLE.as_secs()
    );
    tokio::select! {
        biased;
        interrupted = ctrl_c() => Ok(interrupted?),
        served = axum::serve(listener, site) => Ok(served?),
    }
}

/// The users that are logged in, by session key.
///
/// A key is the hash of an id, so a reader of this table cannot act as one of them.
///
/// A real site keeps them in its database, and removes expired ones.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<HashMap<SessionKey, String>>>);

impl Users {
    fn add(&self, session: SessionKey, name: String) {
        self.table().insert(session, name);
    }

    fn name(&self, session: SessionKey) -> Option<String> {
        self.table().get(&session).cloned()
    }

    fn remove(&self, session: SessionKey) {
        self.table().remove(&session);
    }

    fn table(&self) -> MutexGuard<'_, HashMap<SessionKey, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows the page of a member. With the feature `axum`, the argument is simply `session:
/// Option<SessionHandle>`.
async fn members(
    session: Option<Extension<SessionHandle>>,
    State(users): State<Users>,
) -> Response {
    let Some(Extension(session)) = session else {
        return Redirect::to("/login").into_response();
    };
    let Some(name) = users.name(session.key()) else {
        return Redirect::to("/login").into_response();
    };
    page(&format!(
        r#"<h1>Hello, {}</h1>
<p>If you do nothing, your session ends in <b id="left">{}</b> s. Then reload this page.</p>
<form method="post" action="/logout"><button>Log out</button></form>
<script>
  const left = document.getElementById("left");
  setInterval(() => left.textContent = Math.max(0, left.textContent - 1), 1000);
</script>"#,
        html_text(&name),
        session.remaining().as_secs(),
    ))
    .into_response()
}

async fn login_form() -> Html<String> {
    page(
        r#"<h1>Log in</h1>
<form method="post" action="/login"><input name="name" placeholder="Your name" required autofocus> <button>Log in</button></form>"#,
    )
}

/// Logs a user in. A real site checks a password, or better.
async fn log_in(
    State(users): State<Users>,
    Form(mut form): Form<HashMap<String, String>>,
) -> Result<impl IntoResponse, StatusCode> {
    let id = random_id().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    users.add(SessionKey::of(&id), form.remove("name").unwrap_or_default());
    // Behind TLS, add `Secure`.
    let cookie = format!("sid={id}; Path=/; HttpOnly; SameSite=Lax");
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")))
}

async fn log_out(
    session: Option<Extension<SessionHandle>>,
    State(users): State<Users>,
) -> impl IntoResponse {
    if let Some(Extension(session)) = session {
        users.remove(session.key());
    }
    let removal = "sid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax";
    ([(SET_COOKIE, removal)], Redirect::to("/login"))
}

/// 128 bits that nobody can guess (OWASP ASVS 5.0, 7.2.3).
fn random_id() -> Result<String, getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(format!("{:032x}", u128::from_be_bytes(id)))
}

fn page(body: &str) -> Html<String> {
    Html(format!(
        r#"<!doctype html><meta charset="utf-8"><title>tower-login-timeout</title>
<body style="font: 1.1em sans-serif; margin: 3em">
{body}"#
    ))
}

fn html_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Listens where the first argument says.
async fn listen() -> Result<TcpListener, String> {
    let argument = std::env::args().nth(1);
    let address = argument.as_deref().unwrap_or("127.0.0.1:4400");
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => format!(
            "{address} is in use, perhaps by this example in another window. To use another port:\n  \
             cargo run --example axum -- 127.0.0.1:4401"
        ),
        _ => format!("cannot listen on {address}: {error}"),
    })
}
