//! Notes with leptos, and the timeouts around them. `docs/beside-leptos.md` explains it.
//!
//! ```text
//! cd stacks/leptos
//! cargo run --example leptos
//! ```
//!
//! The pages work without WebAssembly, as leptos' forms do.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::SET_COOKIE;
use leptos::config::LeptosOptions;
use leptos::prelude::*;
use leptos::server_fn::codec::JsonEncoding;
use leptos_axum::{LeptosRoutes, ResponseOptions, extract, generate_route_list, redirect};
use leptos_router::components::{Route, Router as Pages, Routes};
use leptos_router::path;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower_login_timeout::{
    Clock, CookieId, Expired, LoginTimeoutLayer, LoginTimeoutResponse, MemoryStore, Policy,
    RequestHead, ResponseForExpired, SessionHandle, SystemClock, rule,
};

/// Short, so that nobody has to wait.
pub const IDLE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let site = routes(&Notes::default()).layer(timeouts(SystemClock)?);
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4400")).await?;
    println!(
        "listening on http://{}

Log in, write a note, wait for {} s, and write another.",
        listener.local_addr()?,
        IDLE.as_secs(),
    );
    Ok(axum::serve(listener, site).await?)
}

/// Why a server function has no result. Its callers get this, on the server and in the browser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NotesError {
    /// The session has ended, and the function did not run. The timeouts say this.
    SessionEnded,
    /// There is no session.
    NotLoggedIn,
    /// Leptos could not call the function, or not read its result.
    Call(ServerFnErrorErr),
}

impl FromServerFnError for NotesError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        Self::Call(error)
    }
}

/// The timeouts. They are outside everything else.
pub fn timeouts(clock: impl Clock) -> Result<LoginTimeoutLayer, Box<dyn Error>> {
    let policy = Policy::builder().with_idle(IDLE).build()?;
    let page = LoginTimeoutResponse::new().with_login_page("/login");
    let json = HeaderValue::from_static("application/json");
    let call = page.clone().with_body(json, NotesError::SessionEnded.ser());
    let response = move |expired: &Expired, request: RequestHead<'_>| {
        let response = if is_call(request) { &call } else { &page };
        response.response_for_expired(expired, request)
    };
    Ok(
        LoginTimeoutLayer::new(policy, CookieId::new("sid")?, MemoryStore::new())
            .with_exempt(rule::path("/login"))
            .with_exempt(rule::path("/api/log_in"))
            .with_response(response)
            .with_clock(clock),
    )
}

/// Says whether leptos calls a server function. If it does not, a browser sends a form there.
fn is_call(request: RequestHead<'_>) -> bool {
    let mut accepted = request.headers().get_all("accept").iter();
    let is_form = accepted.any(|line| line.to_str().is_ok_and(|line| line.contains("text/html")));
    request.original_uri().path().starts_with("/api/") && !is_form
}

#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn add(&self, note: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(note);
    }
}

/// The pages and the server functions.
pub fn routes(notes: &Notes) -> Router {
    let notes = notes.clone();
    let context = move || provide_context(notes.clone());
    let options = LeptosOptions::builder().output_name("notes").build();
    let pages = generate_route_list(pages);
    Router::new()
        .leptos_routes_with_context(&options, pages, context, shell)
        .with_state(options)
}

#[server(endpoint = "add_note")]
pub async fn add_note(note: String) -> Result<usize, NotesError> {
    let session: Option<SessionHandle> = extract().await.map_err(NotesError::Call)?;
    if session.is_none() {
        return Err(NotesError::NotLoggedIn);
    }
    let notes = expect_context::<Notes>();
    notes.add(note);
    Ok(notes.all().len())
}

/// Logs a user in. A real site checks a password, or better.
#[server(endpoint = "log_in")]
pub async fn log_in() -> Result<(), NotesError> {
    let failed = |error: &dyn Error| ServerFnErrorErr::ServerError(error.to_string());
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| NotesError::Call(failed(&error)))?;
    let id = u128::from_be_bytes(id);
    // Behind TLS, add `Secure`.
    let cookie = format!("sid={id:032x}; Path=/; HttpOnly; SameSite=Lax");
    let cookie = HeaderValue::from_str(&cookie);
    let cookie = cookie.map_err(|error| NotesError::Call(failed(&error)))?;
    expect_context::<ResponseOptions>().append_header(SET_COOKIE, cookie);
    redirect("/");
    Ok(())
}

#[server(endpoint = "log_out")]
pub async fn log_out() -> Result<(), NotesError> {
    let removal = HeaderValue::from_static("sid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    expect_context::<ResponseOptions>().append_header(SET_COOKIE, removal);
    redirect("/login");
    Ok(())
}

fn shell() -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html>
            <head>
                <meta charset="utf-8"/>
            </head>
            <body>{pages()}</body>
        </html>
    }
}

fn pages() -> impl IntoView {
    view! {
        <Pages>
            <Routes fallback=|| "There is no such page.">
                <Route path=path!("/") view=home/>
                <Route path=path!("/login") view=log_in_form/>
            </Routes>
        </Pages>
    }
}

fn home() -> impl IntoView {
    // There are none while leptos makes its list of pages.
    let notes = use_context::<Notes>().unwrap_or_default().all();
    let notes: Vec<_> = notes
        .into_iter()
        .map(|note| view! { <li>{note}</li> })
        .collect();
    view! {
        <ul>{notes}</ul>
        <ActionForm action={ServerAction::<AddNote>::new()}>
            <input name="note"/>
            <button>"Note it"</button>
        </ActionForm>
        <ActionForm action={ServerAction::<LogOut>::new()}>
            <button>"Log out"</button>
        </ActionForm>
    }
}

fn log_in_form() -> impl IntoView {
    view! {
        <ActionForm action={ServerAction::<LogIn>::new()}>
            <button>"Log in"</button>
        </ActionForm>
    }
}
