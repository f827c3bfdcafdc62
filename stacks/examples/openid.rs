//! An API with access tokens of an OpenID Connect issuer, and the timeouts inside of the check of
//! the tokens. `docs/beside-openid-connect.md` explains it.
//!
//! The issuer is a fake one in this process, so that the example needs no network.
//!
//! ```text
//! cd stacks
//! cargo run --example openid
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Form, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tower_login_timeout::{
    Clock, LoginTimeoutLayer, MemoryStore, Policy, RequestHead, SessionHandle, SessionKey,
    StoreError, SystemClock, Timestamp, Tracker,
};

/// Short, so that nobody has to wait. A token lives longer than an idle session.
pub const IDLE: Duration = Duration::from_secs(30);
pub const TOKEN: Duration = Duration::from_secs(10 * 60);
/// The longest time in which the issuer still refreshes the tokens of one log-in.
pub const REFRESH: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = Issuer::new(SystemClock);
    let timeouts = timeouts(SystemClock)?;
    let tracker = timeouts.tracker();
    let site = api()
        .layer(timeouts)
        .layer(from_fn_with_state(issuer.clone(), verify))
        .merge(issuer_endpoints(issuer, tracker));

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4400")).await?;
    let address = listener.local_addr()?;
    println!(
        "listening on http://{address}

  token=$(curl -s -d user=ada http://{address}/token)
  curl -i -H \"authorization: Bearer $token\" http://{address}/me

The token is valid for {} minutes. Its session ends after {} s without a request.",
        TOKEN.as_secs() / 60,
        IDLE.as_secs(),
    );
    Ok(axum::serve(listener, site).await?)
}

/// The timeouts. They are inside of the check of the tokens, so each session they see is the
/// issuer's.
pub fn timeouts(clock: impl Clock) -> Result<LoginTimeoutLayer, Box<dyn Error>> {
    let policy = Policy::builder()
        .with_idle(IDLE)
        .begin_unknown()
        // An ended session that is forgotten would begin again with the next token.
        .with_remember_expired_for(REFRESH)
        .build()?;
    Ok(LoginTimeoutLayer::new(policy, session_of_token, MemoryStore::new()).with_clock(clock))
}

/// Takes the issuer's session for the session, so that a refreshed token continues it.
fn session_of_token(request: RequestHead<'_>) -> Option<SessionKey> {
    let claims = request.extensions().get::<Claims>()?;
    Some(SessionKey::of(&claims.sid))
}

/// Lets no request pass without a valid token.
pub async fn verify(State(issuer): State<Issuer>, mut request: Request, next: Next) -> Response {
    match token(request.headers()).and_then(|token| issuer.claims(token)) {
        Some(claims) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

/// The API.
pub fn api() -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/logout", post(log_out))
}

async fn me(Extension(claims): Extension<Claims>, session: SessionHandle) -> String {
    let left = session.remaining().as_secs();
    format!("{}, {left} seconds left", claims.sub)
}

/// Ends the session here. The issuer's own session goes on.
async fn log_out(session: SessionHandle) -> StatusCode {
    match session.revoke().await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What a token says: whose it is, and of which session with the issuer.
#[derive(Clone, Debug)]
pub struct Claims {
    sub: String,
    sid: String,
    exp: Timestamp,
}

/// A fake issuer. A real API checks the signature of a JWT, or asks the issuer (RFC 7662).
#[derive(Clone)]
pub struct Issuer {
    tokens: Arc<Mutex<HashMap<String, Claims>>>,
    clock: Arc<dyn Clock>,
}

impl Issuer {
    pub fn new(clock: impl Clock) -> Self {
        Self {
            tokens: Arc::default(),
            clock: Arc::new(clock),
        }
    }

    /// Issues a token of this session.
    fn issue(&self, sub: String, sid: String) -> Result<String, getrandom::Error> {
        let token = random()?;
        let exp = self.clock.now().saturating_add(TOKEN);
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token.clone(), Claims { sub, sid, exp });
        Ok(token)
    }

    /// Returns what a token says, if it is valid.
    fn claims(&self, token: &str) -> Option<Claims> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = tokens.get(token)?;
        (self.clock.now() < claims.exp).then(|| claims.clone())
    }
}

/// What the issuer does: `/token` logs in, `/refresh` issues another token of the same session.
/// `/ended` stands for the back-channel log-out, in which the issuer tells the API.
pub fn issuer_endpoints(issuer: Issuer, tracker: Tracker) -> Router {
    Router::new()
        .route("/token", post(log_in))
        .route("/refresh", post(refresh))
        .with_state(issuer.clone())
        .route("/ended", post(ended))
        .with_state((issuer, tracker))
}

async fn log_in(
    State(issuer): State<Issuer>,
    Form(mut form): Form<HashMap<String, String>>,
) -> Result<String, StatusCode> {
    let user = form.remove("user").ok_or(StatusCode::BAD_REQUEST)?;
    let sid = random().map_err(failed)?;
    issuer.issue(user, sid).map_err(failed)
}

async fn refresh(State(issuer): State<Issuer>, headers: HeaderMap) -> Result<String, StatusCode> {
    let claims = token(&headers).and_then(|token| issuer.claims(token));
    let claims = claims.ok_or(StatusCode::UNAUTHORIZED)?;
    issuer.issue(claims.sub, claims.sid).map_err(failed)
}

/// A real API checks the signature of the issuer's log-out token, and takes its `sid`.
async fn ended(
    State((issuer, tracker)): State<(Issuer, Tracker)>,
    headers: HeaderMap,
) -> Result<StatusCode, StatusCode> {
    let claims = token(&headers).and_then(|token| issuer.claims(token));
    let claims = claims.ok_or(StatusCode::UNAUTHORIZED)?;
    let ended = end(&tracker, &claims.sid).await;
    ended.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session, also one that has sent no request yet: it would begin with its first.
async fn end(tracker: &Tracker, sid: &str) -> Result<(), StoreError> {
    if !tracker.revoke(sid).await? {
        tracker.start(sid).await?;
        tracker.revoke(sid).await?;
    }
    Ok(())
}

fn failed(_: getrandom::Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

/// 128 bits that nobody can guess.
fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
