//! A site with axum-login, and the timeouts around it. `docs/beside-axum-login.md` explains it.
//!
//! ```text
//! cd stacks
//! cargo run --example axum_login
//! ```

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::Form;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_login::tower_sessions::{MemoryStore as Sessions, SessionManagerLayer};
use axum_login::{
    AuthManagerLayer, AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId, login_required,
};
use tokio::net::TcpListener;
use tower_login_timeout::{
    Clock, CookieId, LoginTimeoutLayer, LoginTimeoutResponse, MemoryStore, Policy, SameSite,
    SessionHandle, SystemClock, rule,
};

/// Short, so that nobody has to wait.
pub const IDLE: Duration = Duration::from_secs(30);

type AuthSession = axum_login::AuthSession<Backend>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let site = routes().layer(auth()).layer(timeouts(SystemClock)?);

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4400")).await?;
    println!(
        "listening on http://{}

Log in as ada with the password lovelace. Wait for {} s, and reload.",
        listener.local_addr()?,
        IDLE.as_secs(),
    );
    Ok(axum::serve(listener, site).await?)
}

/// The timeouts. They are outside everything else.
pub fn timeouts(clock: impl Clock) -> Result<LoginTimeoutLayer, Box<dyn Error>> {
    let policy = Policy::builder().with_idle(IDLE).build()?;
    // As tower-sessions sets its cookie, but for `Secure`: see `auth`.
    let identify = CookieId::new("id")?.with_same_site(SameSite::Strict);
    let response = LoginTimeoutResponse::new()
        .with_login_page("/login")
        .with_return_url_name("next");
    Ok(LoginTimeoutLayer::new(policy, identify, MemoryStore::new())
        .with_exempt(rule::path("/login"))
        .with_response(response)
        .with_clock(clock))
}

/// The sessions and log-ins of axum-login, as they would be without the timeouts.
pub fn auth() -> AuthManagerLayer<Backend, Sessions> {
    // A real site has TLS, and leaves this line out. Then `CookieId` wants `with_secure`.
    let sessions = SessionManagerLayer::new(Sessions::default()).with_secure(false);
    AuthManagerLayerBuilder::new(Backend, sessions).build()
}

/// The pages.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(members))
        .route("/logout", post(log_out))
        .route_layer(login_required!(Backend, login_url = "/login"))
        .route("/login", get(login_form).post(log_in))
}

async fn members(auth: AuthSession, session: SessionHandle) -> Html<String> {
    let name = auth.user.map_or_else(String::new, |user| user.name);
    let left = session.remaining().as_secs();
    Html(format!(
        r#"<h1>Hello, {name}</h1><p>{left} seconds left</p>
<form method="post" action="/logout"><button>Log out</button></form>"#
    ))
}

async fn login_form() -> Html<&'static str> {
    Html(
        r#"<h1>Log in</h1><form method="post" action="/login">
<input name="name" placeholder="ada" autofocus>
<input name="password" placeholder="lovelace" type="password"> <button>Log in</button></form>"#,
    )
}

async fn log_in(
    mut auth: AuthSession,
    Form(credentials): Form<HashMap<String, String>>,
) -> Result<Response, StatusCode> {
    let user = auth.authenticate(credentials).await.map_err(failed)?;
    let Some(user) = user else {
        return Ok(Redirect::to("/login").into_response());
    };
    // The browser may still have the cookie of a session that has ended. axum-login would keep its
    // data and its id, and an id that has ended stays so.
    auth.session.flush().await.map_err(failed)?;
    auth.session.cycle_id().await.map_err(failed)?;
    auth.login(&user).await.map_err(failed)?;
    Ok(Redirect::to("/").into_response())
}

async fn log_out(mut auth: AuthSession) -> Result<Redirect, StatusCode> {
    auth.logout().await.map_err(failed)?;
    Ok(Redirect::to("/login"))
}

fn failed(_: impl Into<axum_login::Error<Backend>>) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

/// The users: one. A real site asks its database, and compares a hash of the password.
#[derive(Clone, Debug)]
pub struct Backend;

/// A user of the site.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.name.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"changes with the password"
    }
}

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = HashMap<String, String>;
    type Error = Infallible;

    async fn authenticate(
        &self,
        credentials: HashMap<String, String>,
    ) -> Result<Option<User>, Infallible> {
        let given = |name: &str| credentials.get(name).map(String::as_str);
        match (given("name"), given("password")) {
            (Some("ada"), Some("lovelace")) => self.get_user(&"ada".to_owned()).await,
            _ => Ok(None),
        }
    }

    async fn get_user(&self, name: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok((name == "ada").then(|| User { name: name.clone() }))
    }
}
