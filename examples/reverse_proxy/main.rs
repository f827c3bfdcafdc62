//! A reverse proxy that ends idle sessions, for an application in any language.
//!
//! ```text
//! cargo run --example reverse_proxy -- --upstream http://127.0.0.1:8000 --cookie sessionid --idle 20m
//! cargo run --example reverse_proxy --features redis,cached -- --store redis://127.0.0.1:6379 --cached --upstream …
//! cargo run --example reverse_proxy --features serde -- --config examples/reverse_proxy/proxy.toml
//! cargo run --example reverse_proxy -- --help
//! ```
//!
//! It sees log-in and log-out in the application's `Set-Cookie`, and answers `440 Login Time-out`
//! before the application gets the request. It speaks HTTP/1 and HTTP/2 with prior knowledge to
//! clients, HTTP/1 to the application, and passes WebSockets.
//!
//! With `--config`, it reads its file again at SIGHUP. No session is lost. It says what only a
//! restart changes. A file with a mistake changes nothing, and the proxy says which line is wrong.

#![allow(unreachable_pub, reason = "a program exports nothing")]

use std::process::ExitCode;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_login_timeout::{BoxError, Clock, UserStore};

use configuration::Configuration;
use forward::Forward;
use options::Options;
use ready::Ready;
use reload::InForce;
use stop::{Reload, Stop};

#[cfg(all(feature = "browser", not(feature = "serde")))]
use with_browser as browser;
#[cfg(feature = "cached")]
use with_cached as cached;
#[cfg(feature = "metrics")]
use with_metrics as metrics;
#[cfg(feature = "serde")]
use with_settings as configuration;
#[cfg(unix)]
use with_signals as stop;
#[cfg(feature = "_shared")]
use with_stores as store;
#[cfg(not(any(feature = "browser", feature = "serde")))]
use without_browser as browser;
#[cfg(not(feature = "cached"))]
use without_cached as cached;
#[cfg(not(feature = "metrics"))]
use without_metrics as metrics;
#[cfg(not(feature = "serde"))]
use without_settings as configuration;
#[cfg(not(unix))]
use without_signals as stop;
#[cfg(not(feature = "_shared"))]
use without_stores as store;

mod forward;
mod headers;
mod options;
mod ready;
mod reload;
mod report;
mod serve;
mod trusted;
mod tunnel;
mod users;
// With settings, the library itself reads where pages are answered.
#[cfg(all(feature = "browser", not(feature = "serde")))]
mod with_browser;
#[cfg(feature = "cached")]
mod with_cached;
#[cfg(feature = "metrics")]
mod with_metrics;
#[cfg(feature = "serde")]
mod with_settings;
#[cfg(unix)]
mod with_signals;
#[cfg(feature = "_shared")]
mod with_stores;
#[cfg(not(any(feature = "browser", feature = "serde")))]
mod without_browser;
#[cfg(not(feature = "cached"))]
mod without_cached;
#[cfg(not(feature = "metrics"))]
mod without_metrics;
#[cfg(not(feature = "serde"))]
mod without_settings;
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
    let configuration = Configuration::read(&options)?;
    if configuration.metrics().is_some() {
        metrics::install()?;
    }
    if configuration.is_cached() {
        return cached::serve(options, configuration).await;
    }
    let (store, clock) = store::open(configuration.store()).await?;
    serve(options, configuration, store.clone(), clock, store).await
}

/// Serves until a signal ends the process. `origin` is the store whose health counts.
async fn serve(
    options: Options,
    configuration: Configuration,
    store: impl UserStore,
    clock: impl Clock + Clone,
    origin: impl Ready,
) -> Result<(), BoxError> {
    let users = users::of(&options)?;
    let layer = move |configuration: &Configuration| {
        let layer = configuration
            .layer(store.clone())?
            .with_clock(clock.clone());
        let layer = users::remembered(users.as_ref(), layer);
        let layer = layer.with_observer(report::failures());
        Ok::<_, BoxError>(match configuration.metrics() {
            Some(_) => metrics::observed(layer),
            None => layer,
        })
    };
    let (in_force, current) = watch::channel(InForce {
        layer: layer(&configuration)?,
        forward: Forward::to(configuration.upstream().clone(), &options),
    });

    let address = configuration.listen();
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let stop = Stop::listen()?;
    let monitoring = match configuration.metrics() {
        Some(address) => Some(metrics::serve(address, origin).await?),
        None => None,
    };
    if options.config.is_some() {
        let signal = Reload::listen()?;
        let reload = reload::at_each_signal(signal, options, configuration, in_force, layer);
        tokio::spawn(reload);
    }
    serve::announce("listening on", listener.local_addr()?)?;
    if let Some(address) = monitoring {
        serve::announce("metrics on", address)?;
    }
    serve::until_asked_to_end(stop, listener, current).await
}
