//! An application for members, with event streams and WebSockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::sse::{Event, Sse};
use axum::response::{AppendHeaders, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tower_login_timeout::{
    CookieId, LoginTimeoutLayer, LoginTimeoutResponse, ManualClock, MemoryStore, SessionHandle,
    Tracker, rule,
};

use crate::common::site::policy;

/// Longer than `look_every`.
const SOON: Duration = Duration::from_secs(6);

type Follower = mpsc::Sender<Result<Event, Infallible>>;

/// Sends events to all that follow `/events`.
#[derive(Clone, Default)]
pub(super) struct Events(Arc<Mutex<Vec<Follower>>>);

impl Events {
    pub(super) async fn say(&self, text: &str) {
        let followers = self.0.lock().unwrap().clone();
        for follower in followers {
            // The follower may be gone.
            let _ = follower.send(Ok(Event::default().data(text))).await;
        }
    }

    pub(super) fn is_followed(&self) -> bool {
        !self.0.lock().unwrap().is_empty()
    }

    fn follow(&self) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
        let (sender, receiver) = mpsc::channel(8);
        self.0.lock().unwrap().push(sender);
        ReceiverStream::new(receiver)
    }
}

/// The application with the layer. Its clock stands still.
pub(super) struct Members {
    pub(super) address: SocketAddr,
    pub(super) events: Events,
    pub(super) clock: ManualClock,
    pub(super) tracker: Tracker,
}

impl Members {
    pub(super) async fn start() -> Self {
        Self::start_with(|layer| layer).await
    }

    /// Starts with a layer that this has changed.
    pub(super) async fn start_with(
        change: impl FnOnce(LoginTimeoutLayer) -> LoginTimeoutLayer,
    ) -> Self {
        let clock = ManualClock::new();
        let identify = CookieId::new("sid").unwrap().with_secure();
        let layer = LoginTimeoutLayer::new(policy().build().unwrap(), identify, MemoryStore::new())
            .with_exempt(rule::path("/login"))
            .with_clock(clock.clone());
        let layer = change(layer);
        let tracker = layer.tracker();
        let events = Events::default();
        let address = serve(routes(&events).layer(layer)).await;
        Self {
            address,
            events,
            clock,
            tracker,
        }
    }

    /// Ends the session `alpha`, and lets its streams notice.
    pub(super) async fn end(&self) {
        self.tracker.revoke("alpha").await.unwrap();
        self.clock.advance(SOON);
    }
}

/// Sends navigations to a log-in page.
pub(super) fn with_login_page(layer: LoginTimeoutLayer) -> LoginTimeoutLayer {
    layer.with_response(LoginTimeoutResponse::new().with_login_page("/login"))
}

/// The application, which knows nothing of timeouts.
pub(super) fn routes(events: &Events) -> Router {
    let log_in = AppendHeaders([(SET_COOKIE, "sid=alpha; Path=/; Secure; HttpOnly")]);
    let log_out = AppendHeaders([(SET_COOKIE, "sid=; Path=/; Max-Age=0; Secure; HttpOnly")]);
    Router::new()
        .route("/login", post((log_in, "welcome")))
        .route("/logout", post((log_out, "goodbye")))
        .route("/headers", get(headers))
        .route(
            "/events",
            get(async |State(events): State<Events>| Sse::new(events.follow())),
        )
        .route("/chat", get(chat))
        .fallback("hello")
        .with_state(events.clone())
}

pub(super) async fn serve(application: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, application).await });
    address
}

async fn headers(headers: HeaderMap) -> String {
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
    lines.collect()
}

/// Says everything back, until the session is over.
async fn chat(session: Option<Extension<SessionHandle>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let ended = async {
            match session {
                Some(Extension(session)) => session.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            expired = ended => {
                let reason = expired.reason().as_str().into();
                let close = Message::Close(Some(CloseFrame { code: 4440, reason }));
                let _ = socket.send(close).await;
            }
            () = echo(&mut socket) => {}
        }
    })
}

async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
