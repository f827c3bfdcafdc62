//! A reverse proxy that ends idle sessions, for an application in any language.
//!
//! ```text
//! cargo run --example reverse_proxy -- --listen 127.0.0.1:8440 --upstream http://127.0.0.1:8000 --cookie sessionid --idle 20m
//! cargo run --example reverse_proxy -- --help
//! ```
//!
//! It sees log-in and log-out in the application's own `Set-Cookie`, and answers `440 Login Time-out` before the application is asked. It
//! speaks HTTP/1 and HTTP/2 with prior knowledge, HTTP/1 to the application, and passes WebSockets.

use std::process::ExitCode;

use clap::Parser;
use tokio::net::TcpListener;
use tower_login_timeout::{BoxError, CookieId, LoginTimeoutLayer, rule};

use forward::Forward;
use options::Options;

mod forward;
mod headers;
mod options;
mod serve;
mod store;
mod tunnel;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), BoxError> {
    let store = store::open(&options)?;
    let identify = CookieId::new(&*options.cookie)?;
    let mut layer = LoginTimeoutLayer::new(options.policy()?, identify, store)
        .with_response(options.response());
    for path in &options.passive_path {
        layer = layer.with_passive(rule::path_prefix(path));
    }
    for path in &options.exempt_path {
        layer = layer.with_exempt(rule::path_prefix(path));
    }
    if options.remaining_header {
        layer = layer.with_remaining_header();
    }

    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    serve::until_ctrl_c(listener, layer, Forward::to(options.upstream)).await
}
