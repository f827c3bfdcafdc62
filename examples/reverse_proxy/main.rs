//! A reverse proxy that ends idle sessions, for an application in any language.
//!
//! ```text
//! cargo run --example reverse_proxy -- --listen 127.0.0.1:8440 --upstream http://127.0.0.1:8000 --cookie sessionid --idle 20m
//! cargo run --example reverse_proxy --features redis,cached -- --store redis://127.0.0.1:6379 --cached --upstream …
//! cargo run --example reverse_proxy -- --help
//! ```
//!
//! It sees log-in and log-out in the application's own `Set-Cookie`, and answers `440 Login Time-out` before the application is asked. It
//! speaks HTTP/1 and HTTP/2 with prior knowledge, HTTP/1 to the application, and passes WebSockets.

#![allow(unreachable_pub, reason = "a program exports nothing")]

use std::process::ExitCode;

use clap::Parser;
use tokio::net::TcpListener;
use tower_login_timeout::{ActivityStore, BoxError, Clock, LoginTimeoutLayer, rule};

use forward::Forward;
use options::Options;

#[cfg_attr(not(feature = "cached"), path = "not_cached.rs")]
mod cached;
mod forward;
mod headers;
mod options;
mod serve;
#[cfg_attr(not(unix), path = "ctrl_c.rs")]
mod stop;
#[cfg_attr(not(feature = "_shared"), path = "memory_only.rs")]
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
    if options.cached {
        return cached::serve(options).await;
    }
    let (store, clock) = store::open(&options.store).await?;
    serve(options, store, clock).await
}

/// Serves until we are asked to end.
async fn serve(
    options: Options,
    store: impl ActivityStore,
    clock: impl Clock,
) -> Result<(), BoxError> {
    let mut layer = LoginTimeoutLayer::new(options.policy()?, options.identify()?, store)
        .with_clock(clock)
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
    serve::until_asked_to_end(listener, layer, Forward::to(options.upstream)).await
}
