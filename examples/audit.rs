//! An audit log: who signed in and out, and whose session was timed out, as JSON lines.
//!
//! ```text
//! cargo run --example audit -- 127.0.0.1:8441 2>audit.jsonl
//! curl -i 127.0.0.1:8441/login -d name=Ada
//! ```
//!
//! PCI DSS 4.0, 10.2.1.5 and 10.2.2, and OWASP ASVS 5.0, chapter 16, ask for such a log. It goes to
//! standard error. `session` is a part of a hash, so it connects the lines of one session and
//! reveals no id.

#![allow(unreachable_pub, reason = "a program exports nothing")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Form, State};
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use axum::{Router, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Sender, channel};
use tower_login_timeout::{
    Clock, CookieId, Event, KeyPrefix, LoginTimeoutLayer, MemoryStore, Observe, Policy, Reason,
    SessionKey, SystemClock,
};

/// How many lines may wait for the writer.
const MOST_WAITING: usize = 10_000;

/// The users of the sessions that have not ended, by what an event says of a session.
///
/// A session that nobody comes back to stays here. A real site takes the user from the data that it
/// keeps for each session.
type Users = Arc<Mutex<HashMap<KeyPrefix, String>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8441")).await?;

    let (sender, mut lines) = channel::<Value>(MOST_WAITING);
    // Writing may block, and an observer may not. So a thread of its own writes.
    std::thread::spawn(move || {
        while let Some(line) = lines.blocking_recv() {
            eprintln!("{line}");
        }
    });
    let users = Users::default();
    let audit = Audit {
        lines: sender,
        users: Arc::clone(&users),
    };
    let policy = Policy::builder()
        .with_idle(Duration::from_secs(2))
        .build()?;
    let layer = LoginTimeoutLayer::new(policy, CookieId::new("sid")?, MemoryStore::new())
        .with_observer(audit);

    let site = Router::new()
        .route("/", get("hello\n"))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .with_state(users)
        .layer(layer);
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, site).await?;
    Ok(())
}

/// Logs everybody in. A real site asks for a password.
async fn log_in(
    State(users): State<Users>,
    Form(form): Form<HashMap<String, String>>,
) -> Result<impl IntoResponse, String> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| error.to_string())?;
    let id = format!("{:032x}", u128::from_be_bytes(id));
    let name = form.get("name").cloned().unwrap_or_default();
    // Noted before the layer sees the cookie and reports the log-in.
    let session = KeyPrefix::from(SessionKey::of(&id));
    let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
    users.insert(session, name);
    let cookie = format!("sid={id}; Path=/; HttpOnly; SameSite=Lax");
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), "welcome\n"))
}

async fn log_out() -> impl IntoResponse {
    let cookie = "sid=; Path=/; Max-Age=0";
    (AppendHeaders([(SET_COOKIE, cookie)]), "goodbye\n")
}

/// Writes a line for each log-in, log-out and time-out.
struct Audit {
    lines: Sender<Value>,
    users: Users,
}

impl Observe for Audit {
    fn observe(&self, event: &Event<'_>) {
        let (what, session, path) = match event {
            Event::Began { session, .. } => ("signed in", *session, None),
            Event::Ended { session, .. } => ("signed out", *session, None),
            Event::Refused {
                session: Some(session),
                expired,
                path,
                ..
            } if matches!(expired.reason(), Reason::Idle | Reason::Absolute) => {
                ("timed out", *session, Some(*path))
            }
            _ => return,
        };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let user = match what {
            "signed in" => users.get(&session).cloned(),
            // It is over: nothing is kept of it. A request that comes later writes no line.
            _ => users.remove(&session),
        };
        let Some(user) = user else { return };
        let line = json!({
            "at_unix_ms": SystemClock.now().as_unix_millis(),
            "event": what,
            "user": user,
            "session": session.to_string(),
            "path": path,
        });
        if self.lines.try_send(line).is_err() {
            eprintln!("the audit log is behind: an entry is lost");
        }
    }
}
