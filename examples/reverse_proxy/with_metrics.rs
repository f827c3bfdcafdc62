//! The address for monitoring: metrics for Prometheus, and whether the store is up.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tower_login_timeout::{ActivityStore, BoxError, LoginTimeoutLayer, MetricsObserver};

use crate::ready::Ready;

/// Prometheus's text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counts what the layer does. Serves the counters, and whether the store is up, at this address.
pub async fn serve<St: ActivityStore>(
    address: SocketAddr,
    layer: LoginTimeoutLayer<St>,
    store: impl Ready,
) -> Result<(LoginTimeoutLayer<St>, SocketAddr), BoxError> {
    let recorder = PrometheusBuilder::new().install_recorder()?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr()?;
    let metrics = move || async move { ([(CONTENT_TYPE, TEXT)], recorder.render()) };
    let ready = move || async move {
        if store.is_ready().await {
            (StatusCode::OK, "ready\n")
        } else {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the store does not answer\n",
            )
        }
    };
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/-/ready", get(ready));
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok((layer.with_observer(MetricsObserver::new()), address))
}
