//! The site that most tests see: an application behind the layer, and the tests' control of both.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, Request, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use tokio_stream::{Stream, StreamExt, once, pending};
use tower::ServiceExt;
use tower_login_timeout::{
    CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy, SessionHandle, Tracker, rule,
};

const SECOND: Duration = Duration::from_secs(1);
const REASON: HeaderName = HeaderName::from_static("login-timeout-reason");

/// Returns the whole site.
pub fn router() -> Router {
    let first = Current::new(Limits::default(), 0);
    Router::new()
        .route("/control/reset", post(reset))
        .route("/control/restart", post(restart))
        .route("/control/advance", post(advance))
        .route("/control/end", post(end_all))
        .fallback(behind_the_layer)
        .with_state(Site(Arc::new(Mutex::new(first))))
}

/// The site behind the layer, which a test can begin anew.
#[derive(Clone)]
struct Site(Arc<Mutex<Current>>);

struct Current {
    limits: Limits,
    clock: ManualClock,
    store: MemoryStore,
    tracker: Tracker,
    application: Router,
    ids: Vec<String>,
    last_id: usize,
}

/// How long sessions live, and how long before that the page warns.
#[derive(Clone, Copy)]
struct Limits {
    idle: Duration,
    absolute: Duration,
    warn: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: 300 * SECOND,
            absolute: 3_600 * SECOND,
            warn: 60 * SECOND,
        }
    }
}

impl Current {
    fn new(limits: Limits, last_id: usize) -> Self {
        let mut current = Self::over(MemoryStore::new(), ManualClock::new(), limits);
        current.last_id = last_id;
        current
    }

    fn over(store: MemoryStore, clock: ManualClock, limits: Limits) -> Self {
        let policy = Policy::builder()
            .with_idle(limits.idle)
            .with_absolute(limits.absolute);
        let identify = CookieId::new("sid").unwrap();
        let layer = LoginTimeoutLayer::new(policy.build().unwrap(), identify, store.clone())
            .with_browser_warning("/session", limits.warn)
            .with_exempt(rule::path("/login"))
            // A browser asks for it by itself, and the 440 would remove the cookie.
            .with_exempt(rule::path("/favicon.ico"))
            .with_passive(rule::path("/poll"))
            .with_clock(clock.clone());
        Self {
            limits,
            tracker: layer.tracker(),
            clock,
            store,
            application: Router::new()
                .route("/events", get(events))
                .route("/socket", any(socket))
                .fallback(application)
                .layer(layer),
            ids: Vec::new(),
            last_id: 0,
        }
    }

    /// Starts the application anew over this store.
    fn restart(&mut self, store: MemoryStore) {
        let new = Self::over(store, self.clock.clone(), self.limits);
        (self.store, self.tracker, self.application) = (new.store, new.tracker, new.application);
    }
}

impl Site {
    fn with<T>(&self, f: impl FnOnce(&mut Current) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns a number of milliseconds from the query.
fn millis(request: &Request<Body>, name: &str) -> Option<Duration> {
    let query = request.uri().query()?;
    let mut values = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = values.find(|(found, _)| *found == name)?;
    Some(Duration::from_millis(value.parse().unwrap()))
}

async fn reset(State(site): State<Site>, request: Request<Body>) -> StatusCode {
    let limit = |name, default| millis(&request, name).unwrap_or(default);
    let default = Limits::default();
    let limits = Limits {
        idle: limit("idle", default.idle),
        absolute: limit("absolute", default.absolute),
        warn: limit("warn", default.warn),
    };
    site.with(|current| *current = Current::new(limits, current.last_id));
    StatusCode::NO_CONTENT
}

/// Starts the server anew. A store of its own is lost, and one that is shared is not.
async fn restart(State(site): State<Site>, request: Request<Body>) -> StatusCode {
    site.with(|current| {
        let store = match request.uri().query() {
            Some("store=shared") => current.store.clone(),
            _ => MemoryStore::new(),
        };
        current.restart(store);
    });
    StatusCode::NO_CONTENT
}

async fn advance(State(site): State<Site>, request: Request<Body>) -> StatusCode {
    let time = millis(&request, "ms").unwrap();
    site.with(|current| current.clock.advance(time));
    StatusCode::NO_CONTENT
}

async fn end_all(State(site): State<Site>) -> StatusCode {
    let (tracker, ids) = site.with(|current| (current.tracker.clone(), current.ids.clone()));
    for id in ids {
        tracker.revoke(&*id).await.unwrap();
    }
    StatusCode::NO_CONTENT
}

async fn behind_the_layer(State(site): State<Site>, mut request: Request<Body>) -> Response {
    let application = site.with(|current| {
        if request.uri().path() == "/login" {
            current.last_id += 1;
            let id = format!("s{}", current.last_id);
            current.ids.push(id.clone());
            request.extensions_mut().insert(NewId(id));
        }
        current.application.clone()
    });
    application.oneshot(request).await.unwrap().into_response()
}

/// The id of a session that begins.
#[derive(Clone)]
struct NewId(String);

/// Says what it got.
async fn application(request: Request<Body>) -> Response {
    if let Some(NewId(id)) = request.extensions().get() {
        let cookie = format!("sid={id}; Path=/; HttpOnly; SameSite=Lax");
        return (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response();
    }
    if request.extensions().get::<SessionHandle>().is_none() {
        // The layer lets requests without a session pass. To a page's script, this application
        // answers as the layer would.
        let refused = StatusCode::from_u16(440).unwrap();
        let headers = [(CONTENT_TYPE, "text/html"), (REASON, "unknown")];
        return (refused, headers, "<h1>440</h1><a href=/>Back</a>").into_response();
    }
    let (head, body) = request.into_parts();
    let text = |headers: &HeaderMap, name: &str| {
        let value = headers.get(name)?.to_str().unwrap();
        Some(value.to_owned())
    };
    let is_page = text(&head.headers, "accept").is_some_and(|types| types.starts_with("text/html"));
    if is_page || head.headers.contains_key("hx-request") {
        let page = format!("<title>App</title><p id=app>{}</p>", head.uri.path());
        return ([(CONTENT_TYPE, "text/html")], page).into_response();
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let json = serde_json::json!({
        "method": head.method.as_str(),
        "body": String::from_utf8_lossy(&body),
        "header": text(&head.headers, "x-test"),
        "type": text(&head.headers, "content-type"),
    });
    ([(CONTENT_TYPE, "application/json")], json.to_string()).into_response()
}

/// Says one thing, and stays open. A browser connects again at once.
async fn events(_: SessionHandle) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let hello = Event::default().retry(Duration::ZERO).data("hello");
    Sse::new(once(Ok(hello)).chain(pending()))
}

/// Says everything back, until the session is over.
async fn socket(session: SessionHandle, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let mut ended = session.ended();
        loop {
            let message = tokio::select! {
                expired = &mut ended => {
                    let reason = expired.reason().as_str().into();
                    let close = CloseFrame { code: 4440, reason };
                    let _ = socket.send(Message::Close(Some(close))).await;
                    return;
                }
                message = socket.recv() => message,
            };
            let Some(Ok(message)) = message else { return };
            if matches!(message, Message::Text(_)) {
                session.touch().await.unwrap();
                socket.send(message).await.unwrap();
            }
        }
    })
}
