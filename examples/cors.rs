//! An API and a page of another origin, whose script can read the 440.
//!
//! ```text
//! cargo run --example cors
//! cargo run --example cors -- 127.0.0.1:4401 127.0.0.1:4402
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Html;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tower_http::cors::CorsLayer;
use tower_login_timeout::{
    CookieId, LoginTimeoutLayer, LoginTimeoutResponse, MemoryStore, Policy, ResponseFormat,
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
    let mut arguments = std::env::args().skip(1);
    let mut address = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let api = listen(&address("127.0.0.1:4400")).await?;
    let site = listen(&address("127.0.0.1:4401")).await?;
    let (api_at, site_at) = (api.local_addr()?, site.local_addr()?);
    println!(
        "listening on http://{api_at}
The page is on http://{site_at}/

In a browser: open the page, log in, ask, wait for {idle} s, ask again: the script reads the 440.

With curl, as a browser does it:
  curl -i -X OPTIONS -H 'origin: http://{site_at}' -H 'access-control-request-method: GET' http://{api_at}/data
  curl -i -H 'origin: http://{site_at}' -b sid=over http://{api_at}/data

Ctrl-C stops it.",
        idle = IDLE.as_secs()
    );

    let page = page(&api_at.to_string());
    let site_router = Router::new().route("/", get(async || Html(page)));
    let api_router = api_router(&format!("http://{site_at}"))?;
    tokio::select! {
        biased;
        interrupted = ctrl_c() => Ok(interrupted?),
        served = axum::serve(api, api_router) => Ok(served?),
        served = axum::serve(site, site_router) => Ok(served?),
    }
}

/// The API, for the page at this origin.
fn api_router(origin: &str) -> Result<Router, Box<dyn Error>> {
    let timeouts = LoginTimeoutLayer::new(
        Policy::builder().with_idle(IDLE).build()?,
        CookieId::new("sid")?,
        MemoryStore::new(),
    )
    .with_response(LoginTimeoutResponse::new().with_format(ResponseFormat::Json));

    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_str(origin)?)
        // The cookie is sent with the script's requests, and removed by a 440.
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([CONTENT_TYPE])
        // The script may read why.
        .expose_headers([HeaderName::from_static("login-timeout-reason")]);

    Ok(Router::new()
        .route("/login", post(log_in))
        .route("/data", get(async || "the data"))
        .layer(timeouts)
        // The last layer is the outermost. So a 440 gets `access-control-allow-origin` too: without
        // it the browser would hide the response from the script. Preflights carry no cookie, and
        // end here.
        .layer(cors))
}

/// A real API checks a password. Behind TLS, add `Secure`; for another site, `SameSite=None` too.
async fn log_in() -> Result<[(HeaderName, String); 1], StatusCode> {
    let id = random_id().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok([(SET_COOKIE, format!("sid={id}; Path=/; HttpOnly"))])
}

fn page(api: &str) -> String {
    format!(
        r#"<!doctype html><meta charset="utf-8"><title>tower-login-timeout</title>
<body style="font: 1.1em sans-serif; margin: 3em">
<button id="login">Log in</button> <button id="ask">Ask</button> <p id="answer"></p>
<script>
  const ask = async (path, method) => {{
    const response = await fetch("http://{api}" + path, {{ method, credentials: "include" }});
    const reason = response.headers.get("login-timeout-reason") ?? "no timeout";
    const answer = document.getElementById("answer");
    answer.textContent = `${{response.status}} (${{reason}}): ${{await response.text()}}`;
  }};
  document.getElementById("login").onclick = () => ask("/login", "POST");
  document.getElementById("ask").onclick = () => ask("/data", "GET");
</script>"#
    )
}

/// 128 bits that nobody can guess (OWASP ASVS 5.0, 7.2.3).
fn random_id() -> Result<String, getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(format!("{:032x}", u128::from_be_bytes(id)))
}

async fn listen(address: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))
}
