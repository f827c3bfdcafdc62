//! Tests of what a client sees of the layer through a real socket: HTTP/1, HTTP/2, gRPC and axum.

#![allow(unreachable_pub, reason = "a program exports nothing")]
#![cfg(feature = "hyper")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_login_timeout::{CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy};

mod common;

mod wire {
    mod axum;
    mod grpc;
    mod http1;
    mod http2;
    mod streams;
}

const IDLE: Duration = Duration::from_secs(60);

/// Builds a layer that knows the session `sesame`, and returns its clock.
async fn layer() -> (LoginTimeoutLayer, ManualClock) {
    let clock = ManualClock::new();
    let policy = Policy::builder().with_idle(IDLE).build().unwrap();
    let layer = LoginTimeoutLayer::new(policy, CookieId::new("sid").unwrap(), MemoryStore::new())
        .with_clock(clock.clone());
    layer.tracker().start("sesame").await.unwrap();
    (layer, clock)
}

/// Starts a hyper server for HTTP/1 and HTTP/2, with the layer around a service.
async fn serve_hyper(layer: LoginTimeoutLayer) -> SocketAddr {
    let service = ServiceBuilder::new()
        .layer(layer)
        .service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
        });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // A client may close the connection at any time.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}
