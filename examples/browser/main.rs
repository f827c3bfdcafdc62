//! A harbour office whose page knows its session: it warns before the end, keeps what was typed,
//! and goes on after a log-in. `docs/in-the-browser.md` explains it.
//!
//! ```text
//! cargo run --example browser --features browser
//! cargo run --example browser --features browser -- 127.0.0.1:4401
//! ```

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Form, Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::stream::{Stream, unfold};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tokio::time::sleep;
use tower_login_timeout::{
    Clock, CookieId, LoginTimeoutLayer, LoginTimeoutResponse, MemoryStore, Policy, SessionHandle,
    SessionKey, SystemClock, rule,
};

/// Short, so that nobody has to wait. The page warns 22 s before the end.
pub(crate) const IDLE: Duration = Duration::from_secs(45);

/// A real site has one for each user, and stores none of them as it is.
const PASSWORD: &str = "harbour";

const OFFICE: &str = include_str!("office.html");
const LOGIN: &str = include_str!("login.html");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4400")).await?;
    println!(
        "listening on http://{}

Sign in, type something, and wait: the page warns after {} s. Let the session end, then send the
form. Open a second tab, and sign out in one of them.

Ctrl-C stops it.",
        listener.local_addr()?,
        IDLE.as_secs() / 2
    );
    tokio::select! {
        biased;
        interrupted = ctrl_c() => interrupted?,
        served = axum::serve(listener, site(SystemClock)?) => served?,
    }
    Ok(())
}

/// The whole site, behind the layer.
pub(crate) fn site(clock: impl Clock) -> Result<Router, Box<dyn Error>> {
    let policy = Policy::builder().with_idle(IDLE).build()?;
    let timeouts = LoginTimeoutLayer::new(policy, CookieId::new("sid")?, MemoryStore::new())
        .with_browser("/session")
        .with_exempt(rule::path("/login"))
        // The page asks for these by itself. That must not keep the session alive.
        .with_passive(rule::path("/berths"))
        .with_passive(rule::path("/radio"))
        .with_response(LoginTimeoutResponse::new().with_login_page("/login"))
        .with_clock(clock);

    let members = Router::new()
        .route("/notices", post(save_notice))
        .route("/berths", get(berths))
        .route("/tide", get(tide))
        .route("/radio", get(radio))
        .route_layer(from_fn(members_only));
    Ok(Router::new()
        .merge(members)
        .route("/", get(office))
        .route("/login", get(login_form).post(log_in))
        .route("/logout", post(log_out))
        .layer(timeouts)
        // These are outside the layer, so they load while a session is over.
        .route(
            "/static/office.js",
            file("text/javascript", include_str!("office.js")),
        )
        .route(
            "/static/style.css",
            file("text/css", include_str!("style.css")),
        )
        .route(
            "/static/icon.svg",
            file("image/svg+xml", include_str!("icon.svg")),
        )
        .layer(map_response(with_policy))
        .with_state(Office::default()))
}

fn file<S: Clone + Send + Sync + 'static>(
    content_type: &'static str,
    content: &'static str,
) -> axum::routing::MethodRouter<S> {
    get(([(CONTENT_TYPE, content_type)], content))
}

/// Allows the site's own scripts and styles, and nothing inline.
async fn with_policy(mut response: Response) -> Response {
    let policy = HeaderValue::from_static("default-src 'self'");
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// Answers 440 where there is no session.
///
/// A 440 of the layer removes the cookie, so the next request of an open page has none. The layer
/// lets it pass, since whether it may is the application's business. With a 440 here, the page
/// waits for a log-in then, too.
async fn members_only(
    session: Option<Extension<SessionHandle>>,
    request: Request,
    next: Next,
) -> Response {
    if session.is_some() {
        return next.run(request).await;
    }
    let status = StatusCode::from_u16(440).unwrap_or(StatusCode::UNAUTHORIZED);
    (status, login_page("You are signed out.")).into_response()
}

/// What the office knows.
///
/// A real site keeps it in its database, and removes users whose session is over.
#[derive(Clone, Default)]
struct Office {
    users: Arc<Mutex<HashMap<SessionKey, String>>>,
    notices: Arc<AtomicUsize>,
    polls: Arc<AtomicUsize>,
}

impl Office {
    fn users(&self) -> MutexGuard<'_, HashMap<SessionKey, String>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the page of the user of this session.
    fn page(&self, session: &SessionHandle, saved: &str) -> Option<Html<String>> {
        let user = html_text(self.users().get(&session.key())?);
        let page = OFFICE
            .replace("{user}", &user)
            .replace("{idle}", &IDLE.as_secs().to_string())
            .replace("{berths}", &self.berths(session))
            .replace("{saved}", &html_text(saved));
        Some(Html(page))
    }

    /// Returns the table. It changes a little with each poll.
    fn berths(&self, session: &SessionHandle) -> String {
        const SHIPS: [&str; 5] = ["Aurora", "Bonito", "Cormorant", "Dagny", "Eider"];
        const STATES: [&str; 4] = ["expected", "mooring", "alongside", "departing"];
        let polls = self.polls.fetch_add(1, Ordering::Relaxed);
        let mut rows = String::new();
        for (place, ship) in SHIPS.iter().enumerate() {
            let state = STATES[(polls / 5 + place * 3) % STATES.len()];
            let number = place + 1;
            rows.push_str(&format!(
                "<tr><td>{number}</td><td>{ship}</td><td class=\"{state}\">{state}</td></tr>\n"
            ));
        }
        let left = session.remaining().as_secs();
        format!(
            "<table><tr><th>Berth</th><th>Ship</th><th>State</th></tr>\n{rows}</table>
<p class=\"small\">The page has asked {polls} times. The session ends in <b id=\"left\">{left}</b> s \
             all the same.</p>"
        )
    }
}

async fn office(
    session: Option<Extension<SessionHandle>>,
    State(office): State<Office>,
) -> Response {
    let page = session.and_then(|Extension(session)| office.page(&session, ""));
    page.map_or_else(
        || Redirect::to("/login").into_response(),
        IntoResponse::into_response,
    )
}

/// Saves a notice, and shows the page with a line about it.
async fn save_notice(
    Extension(session): Extension<SessionHandle>,
    State(office): State<Office>,
    Form(notice): Form<HashMap<String, String>>,
) -> Response {
    let number = office.notices.fetch_add(1, Ordering::Relaxed) + 1;
    let ship = notice.get("ship").map_or("", String::as_str);
    let length = notice.get("remarks").map_or(0, |text| text.chars().count());
    let saved = format!("Notice {number} is saved: {ship}, with {length} characters of remarks.");
    let page = office.page(&session, &saved);
    page.map_or_else(
        || Redirect::to("/login").into_response(),
        IntoResponse::into_response,
    )
}

async fn berths(
    Extension(session): Extension<SessionHandle>,
    State(office): State<Office>,
) -> Html<String> {
    Html(format!(
        "<div id=\"berths\">{}</div>",
        office.berths(&session)
    ))
}

/// A part of the page that is fetched when somebody asks for it. That is activity.
async fn tide() -> Html<&'static str> {
    Html(
        "<div id=\"tide\"><p>High water at <b>14:20</b>, 3.1 m. Low water at <b>20:35</b>, 0.6 m.</p></div>",
    )
}

/// Talks until the layer ends the stream with the session.
async fn radio() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    const CALLS: [&str; 4] = [
        "Aurora: anchor is up.",
        "Pilot two: coming alongside Dagny.",
        "Harbour master: berth 3 is clear.",
        "Eider: thank you, good watch.",
    ];
    Sse::new(unfold(0, async |count| {
        if count > 0 {
            sleep(Duration::from_secs(6)).await;
        }
        let call = CALLS[count % CALLS.len()];
        Some((Ok(Event::default().data(call)), count + 1))
    }))
}

async fn login_form() -> Html<String> {
    login_page("")
}

fn login_page(trouble: &str) -> Html<String> {
    let page = LOGIN
        .replace("{idle}", &IDLE.as_secs().to_string())
        .replace("{trouble}", trouble);
    Html(page)
}

async fn log_in(
    State(office): State<Office>,
    Form(mut form): Form<HashMap<String, String>>,
) -> Result<Response, StatusCode> {
    if form.get("password").map(String::as_str) != Some(PASSWORD) {
        let again = login_page("That is not the password.");
        return Ok((StatusCode::FORBIDDEN, again).into_response());
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let id = format!("{:032x}", u128::from_be_bytes(id));
    let name = form.remove("name").unwrap_or_default();
    office.users().insert(SessionKey::of(&id), name);
    // Behind TLS, add `Secure`.
    let cookie = format!("sid={id}; Path=/; HttpOnly; SameSite=Lax");
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

async fn log_out(
    session: Option<Extension<SessionHandle>>,
    State(office): State<Office>,
) -> impl IntoResponse {
    if let Some(Extension(session)) = session {
        office.users().remove(&session.key());
    }
    let removal = "sid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax";
    ([(SET_COOKIE, removal)], Redirect::to("/login"))
}

fn html_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
