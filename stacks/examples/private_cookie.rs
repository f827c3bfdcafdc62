//! A site that keeps its user in an encrypted cookie of axum-extra, and the timeouts around it.
//! `docs/beside-private-cookies.md` explains it.
//!
//! ```text
//! cd stacks
//! cargo run --example private_cookie
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, FromRef};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::PrivateCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};
use tokio::net::TcpListener;
use tower_login_timeout::{
    Clock, CookieId, LoginTimeoutLayer, LoginTimeoutResponse, MemoryStore, Policy, SystemClock,
    rule,
};

/// Short, so that nobody has to wait.
pub const IDLE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A real site keeps its key in a secret, so that a restart does not log everybody out.
    let keys = Keys(Key::generate());
    let site = routes(keys.clone()).layer(timeouts(&keys, SystemClock)?);

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4400")).await?;
    println!(
        "listening on http://{}

Log in, wait for {} s, and reload.",
        listener.local_addr()?,
        IDLE.as_secs(),
    );
    Ok(axum::serve(listener, site).await?)
}

/// The timeouts, which read the cookie with the same key.
pub fn timeouts(keys: &Keys, clock: impl Clock) -> Result<LoginTimeoutLayer, Box<dyn Error>> {
    let policy = Policy::builder().with_idle(IDLE).build()?;
    let identify = CookieId::new("sid")?
        .with_private(keys.0.clone())
        .with_same_site(tower_login_timeout::SameSite::Lax);
    let response = LoginTimeoutResponse::new().with_login_page("/login");
    Ok(LoginTimeoutLayer::new(policy, identify, MemoryStore::new())
        .with_exempt(rule::path("/login"))
        .with_response(response)
        .with_clock(clock))
}

/// The key of the cookies, in the state of the site.
#[derive(Clone)]
pub struct Keys(pub Key);

impl FromRef<Keys> for Key {
    fn from_ref(keys: &Keys) -> Self {
        keys.0.clone()
    }
}

/// The pages.
pub fn routes(keys: Keys) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", get(login_form).post(log_in))
        .route("/logout", post(log_out))
        .with_state(keys)
}

async fn home(jar: PrivateCookieJar) -> Response {
    let cookie = jar.get("sid");
    let Some((_, user)) = cookie
        .as_ref()
        .and_then(|cookie| cookie.value().split_once('.'))
    else {
        return Redirect::to("/login").into_response();
    };
    let user = user.replace('&', "&amp;").replace('<', "&lt;");
    Html(format!(
        r#"<h1>Hello, {user}</h1><form method="post" action="/logout"><button>Log out</button></form>"#
    ))
    .into_response()
}

async fn login_form() -> Html<&'static str> {
    Html(
        r#"<h1>Log in</h1><form method="post" action="/login">
<input name="name" placeholder="Your name" autofocus> <button>Log in</button></form>"#,
    )
}

/// Logs a user in. A real site checks a password, or better.
///
/// The random part makes each log-in a session of its own.
async fn log_in(
    jar: PrivateCookieJar,
    Form(form): Form<HashMap<String, String>>,
) -> Result<(PrivateCookieJar, Redirect), StatusCode> {
    let name = form.get("name").ok_or(StatusCode::BAD_REQUEST)?;
    let id = random_id().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let cookie = Cookie::build(("sid", format!("{id}.{name}")))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax); // Behind TLS, add `secure(true)`.
    Ok((jar.add(cookie), Redirect::to("/")))
}

async fn log_out(jar: PrivateCookieJar) -> (PrivateCookieJar, Redirect) {
    let removal = Cookie::build("sid").path("/");
    (jar.remove(removal), Redirect::to("/login"))
}

/// 128 bits that nobody can guess (OWASP ASVS 5.0, 7.2.3).
fn random_id() -> Result<String, getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(format!("{:032x}", u128::from_be_bytes(id)))
}
