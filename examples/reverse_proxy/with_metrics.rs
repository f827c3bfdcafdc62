//! The address for monitoring: metrics for Prometheus, and whether the store is up.

use std::net::SocketAddr;
use std::sync::OnceLock;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tower_login_timeout::{
    ActivityStore, BoxError, LoginTimeoutLayer, MetricsObserver, ObserveStore,
};

use crate::ready::Ready;

/// Prometheus's text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The bounds of the histogram of the store's times, in seconds.
const BOUNDS: [f64; 10] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];

/// What the metrics are read from.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder. What is reported before that is lost, so it comes before the store.
pub fn install() -> Result<(), BoxError> {
    let seconds = Matcher::Full("login_timeout_store_seconds".to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &BOUNDS)?
        .install_recorder()?;
    RECORDER.get_or_init(|| recorder);
    Ok(())
}

/// Counts and measures what the store does. Without `--metrics`, nobody reads it.
pub fn observer() -> impl ObserveStore {
    MetricsObserver::new()
}

/// Counts what the layer does.
pub fn observed<St: ActivityStore>(layer: LoginTimeoutLayer<St>) -> LoginTimeoutLayer<St> {
    layer.with_observer(MetricsObserver::new())
}

/// Serves the counters, and whether the store is up, at this address.
pub async fn serve(address: SocketAddr, store: impl Ready) -> Result<SocketAddr, BoxError> {
    let recorder = RECORDER.get().ok_or("the recorder is not installed")?;
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
    Ok(address)
}
