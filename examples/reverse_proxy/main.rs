//! A reverse proxy that ends idle sessions, for an application in any language.
//!
//! ```text
//! cargo run --example reverse_proxy -- --upstream http://127.0.0.1:8000 --cookie sessionid --idle 20m
//! cargo run --example reverse_proxy --features redis,cached -- --store redis://127.0.0.1:6379 --cached --upstream …
//! cargo run --example reverse_proxy -- --help
//! ```
//!
//! It sees log-in and log-out in the application's `Set-Cookie`, and answers `440 Login Time-out`
//! before the application gets the request. It speaks HTTP/1 and HTTP/2 with prior knowledge to
//! clients, HTTP/1 to the application, and passes WebSockets.

#![allow(unreachable_pub, reason = "a program exports nothing")]

use std::process::ExitCode;

use clap::Parser;
use tokio::net::TcpListener;
use tower_login_timeout::{ActivityStore, BoxError, Clock, LoginTimeoutLayer, rule};

use forward::Forward;
use options::Options;
use ready::Ready;
use stop::Stop;

#[cfg(feature = "browser")]
use with_browser as browser;
#[cfg(feature = "cached")]
use with_cached as cached;
#[cfg(feature = "metrics")]
use with_metrics as metrics;
#[cfg(unix)]
use with_signals as stop;
#[cfg(feature = "_shared")]
use with_stores as store;
#[cfg(not(feature = "browser"))]
use without_browser as browser;
#[cfg(not(feature = "cached"))]
use without_cached as cached;
#[cfg(not(feature = "metrics"))]
use without_metrics as metrics;
#[cfg(not(unix))]
use without_signals as stop;
#[cfg(not(feature = "_shared"))]
use without_stores as store;

mod forward;
mod headers;
mod options;
mod ready;
mod serve;
mod tunnel;
#[cfg(feature = "browser")]
mod with_browser;
#[cfg(feature = "cached")]
mod with_cached;
#[cfg(feature = "metrics")]
mod with_metrics;
#[cfg(unix)]
mod with_signals;
#[cfg(feature = "_shared")]
mod with_stores;
#[cfg(not(feature = "browser"))]
mod without_browser;
#[cfg(not(feature = "cached"))]
mod without_cached;
#[cfg(not(feature = "metrics"))]
mod without_metrics;
#[cfg(not(unix))]
mod without_signals;
#[cfg(not(feature = "_shared"))]
mod without_stores;

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
    if options.metrics.is_some() {
        metrics::install()?;
    }
    if options.cached {
        return cached::serve(options).await;
    }
    let (store, clock) = store::open(&options.store).await?;
    serve(options, store.clone(), clock, store).await
}

/// Serves until a signal ends the process. `origin` is the store whose health counts.
async fn serve(
    options: Options,
    store: impl ActivityStore,
    clock: impl Clock,
    origin: impl Ready,
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
    if let Some(path) = &options.browser {
        layer = browser::answer_at(path, layer)?;
    }

    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    let stop = Stop::listen()?;
    let monitoring = match options.metrics {
        Some(address) => {
            let bound;
            (layer, bound) = metrics::serve(address, layer, origin).await?;
            Some(bound)
        }
        None => None,
    };
    serve::announce("listening on", listener.local_addr()?)?;
    if let Some(address) = monitoring {
        serve::announce("metrics on", address)?;
    }
    serve::until_asked_to_end(stop, listener, layer, Forward::to(options.upstream)).await
}
