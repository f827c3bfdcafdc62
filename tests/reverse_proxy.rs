//! Tests of the example `reverse_proxy`: what it passes on, and which sessions it ends.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use common::example::Example;
use common::http1::{Wire, soon};

mod common;

mod reverse_proxy {
    #[cfg(feature = "browser")]
    mod browser;
    #[cfg(all(feature = "serde", unix))]
    mod config;
    #[cfg(all(feature = "metrics", feature = "sqlite", feature = "cached"))]
    mod dashboard;
    mod forwarding;
    #[cfg(feature = "metrics")]
    mod metrics;
    mod options;
    mod sessions;
    mod streaming;
    mod users;
    mod websocket;
}

/// Starts the proxy in front of this application, with more options.
fn proxy(upstream: SocketAddr, options: &[&str]) -> Example {
    let upstream = format!("http://{upstream}");
    let always = [
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        &upstream,
        "--cookie",
        "sid",
    ];
    Example::start("reverse_proxy", &[&always, options].concat())
}

/// Starts a proxy in front of an application that the test plays itself.
async fn scripted(options: &[&str]) -> (Script, Example) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy(listener.local_addr().unwrap(), options);
    (Script(listener), proxy)
}

struct Script(TcpListener);

impl Script {
    /// Waits for the next connection from the proxy.
    async fn accept(&self) -> Wire {
        Wire::new(soon(self.0.accept()).await.unwrap().0)
    }
}
