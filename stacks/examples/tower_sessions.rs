//! A shop with tower-sessions, and the timeouts around it. `docs/beside-tower-sessions.md` explains
//! it.
//!
//! ```text
//! cd stacks
//! cargo run --example tower_sessions
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use axum::extract::Form;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tower_login_timeout::{
    Clock, CookieId, LoginTimeoutLayer, LoginTimeoutResponse, MemoryStore, Policy, SameSite,
    SystemClock, rule,
};
use tower_sessions::session::Error as SessionError;
use tower_sessions::{MemoryStore as Sessions, Session, SessionManagerLayer};

/// Short, so that nobody has to wait.
pub const IDLE: Duration = Duration::from_secs(30);
pub const ABSOLUTE: Duration = Duration::from_secs(5 * 60);

/// What the session holds.
const USER: &str = "user";
const CART: &str = "cart";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let site = routes().layer(sessions()).layer(timeouts(SystemClock)?);

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4400")).await?;
    println!(
        "listening on http://{}

Put something into the cart, log in, wait for {} s, and reload.",
        listener.local_addr()?,
        IDLE.as_secs(),
    );
    Ok(axum::serve(listener, site).await?)
}

/// The timeouts. They are outside everything else.
pub fn timeouts(clock: impl Clock) -> Result<LoginTimeoutLayer, Box<dyn Error>> {
    let policy = Policy::builder()
        .with_idle(IDLE)
        .with_absolute(ABSOLUTE)
        .build()?;
    // As tower-sessions sets its cookie, but for `Secure`: see `sessions`.
    let identify = CookieId::new("id")?.with_same_site(SameSite::Strict);
    let response = LoginTimeoutResponse::new().with_login_page("/login");
    Ok(LoginTimeoutLayer::new(policy, identify, MemoryStore::new())
        .with_exempt(rule::path("/login"))
        .with_response(response)
        .with_clock(clock))
}

/// The sessions of tower-sessions, as they would be without the timeouts.
pub fn sessions() -> SessionManagerLayer<Sessions> {
    // A real site has TLS, and leaves this line out. Then `CookieId` wants `with_secure`.
    SessionManagerLayer::new(Sessions::default()).with_secure(false)
}

/// The pages.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(home))
        .route("/cart", post(add_to_cart))
        .route("/login", get(login_form).post(log_in))
        .route("/logout", post(log_out))
}

async fn home(Extension(session): Extension<Session>) -> Result<Html<String>, StatusCode> {
    let user: Option<String> = session.get(USER).await.map_err(failed)?;
    let cart: Option<u32> = session.get(CART).await.map_err(failed)?;
    let user = user.as_deref().map_or("a visitor", |_| "a member");
    let cart = cart.unwrap_or(0);
    Ok(Html(format!(
        r#"<p>You are {user}, with {cart} books in the cart.</p>
<form method="post" action="/cart"><button>Add a book</button></form>
<form method="get" action="/login"><button>Log in</button></form>
<form method="post" action="/logout"><button>Log out</button></form>"#
    )))
}

async fn add_to_cart(Extension(session): Extension<Session>) -> Result<Redirect, StatusCode> {
    let cart: Option<u32> = session.get(CART).await.map_err(failed)?;
    let more = cart.unwrap_or(0).saturating_add(1);
    session.insert(CART, more).await.map_err(failed)?;
    Ok(Redirect::to("/"))
}

async fn login_form() -> Html<&'static str> {
    Html(
        r#"<h1>Log in</h1><form method="post" action="/login">
<input name="name" placeholder="Your name" autofocus> <button>Log in</button></form>"#,
    )
}

/// Logs a user in. A real site checks a password, or better.
async fn log_in(
    Extension(session): Extension<Session>,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, StatusCode> {
    let Some(name) = form.get("name") else {
        return Err(StatusCode::BAD_REQUEST);
    };
    begin(&session, name).await.map_err(failed)?;
    Ok(Redirect::to("/").into_response())
}

/// Begins the session of a user.
///
/// The browser may still have the cookie of a session that has ended, perhaps of another user. So
/// the id is a new one, and of the data only the cart of a visitor goes on.
async fn begin(session: &Session, user: &str) -> Result<(), SessionError> {
    let cart: Option<u32> = match session.get::<String>(USER).await? {
        Some(_) => None,
        None => session.get(CART).await?,
    };
    session.flush().await?;
    session.cycle_id().await?; // `flush` alone would keep the id
    session.insert(USER, user).await?;
    if let Some(cart) = cart {
        session.insert(CART, cart).await?;
    }
    Ok(())
}

async fn log_out(Extension(session): Extension<Session>) -> Result<Redirect, StatusCode> {
    session.flush().await.map_err(failed)?;
    Ok(Redirect::to("/"))
}

fn failed(_: SessionError) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}
