//! The layers of tower-http outside and inside the timeouts: a test for each line of
//! `docs/order-of-layers.md`.

#[allow(dead_code)]
#[path = "../examples/order.rs"]
mod example;

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use example::{ORIGIN, compression, routes, site, slowest, timeouts};
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use tower_login_timeout::{LoginTimeoutLayer, ManualClock, Tracker};

/// How often the layer looks whether the session of a stream has ended.
const LOOK: Duration = Duration::from_secs(5);
/// How long a test waits at most.
const SOON: Duration = Duration::from_secs(10);

/// Timeouts whose session `sesame` has ended, and `live` has not.
async fn prepared() -> (LoginTimeoutLayer, Tracker, ManualClock) {
    let clock = ManualClock::new();
    let timeouts = timeouts(clock.clone()).unwrap();
    let tracker = timeouts.tracker();
    tracker.start("sesame").await.unwrap();
    tracker.revoke("sesame").await.unwrap();
    tracker.start("live").await.unwrap();
    (timeouts, tracker, clock)
}

async fn get(site: Router, path: &str, id: &str) -> Response<Body> {
    let request = Request::get(path)
        .header("cookie", format!("sid={id}"))
        .header("accept-encoding", "gzip")
        .header("origin", ORIGIN);
    let request = request.body(Body::empty()).unwrap();
    site.oneshot(request).await.unwrap()
}

fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(HeaderValue::from_static(ORIGIN))
}

#[tokio::test]
async fn the_whole_site_in_the_right_order() {
    let (timeouts, ..) = prepared().await;
    let site = site(timeouts);
    assert_eq!(get(site.clone(), "/", "live").await.status(), 200);
    let response = get(site, "/", "sesame").await;
    assert_eq!(response.status(), 440);
    let headers = response.headers();
    assert!(headers.contains_key("x-request-id"));
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    assert_eq!(headers["content-encoding"], "gzip");
    let vary: Vec<_> = headers.get_all("vary").iter().collect();
    assert!(vary.iter().any(|vary| *vary == "accept"), "{vary:?}");
}

#[tokio::test]
async fn request_id_outside_marks_a_440() {
    let (timeouts, ..) = prepared().await;
    let site = routes()
        .layer(timeouts)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid));
    let response = get(site, "/", "sesame").await;
    assert_eq!(response.status(), 440);
    assert!(response.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn wrong_order_request_id_inside_leaves_a_440_without_one() {
    let (timeouts, ..) = prepared().await;
    let site = routes()
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(timeouts);
    let response = get(site, "/", "sesame").await;
    assert_eq!(response.status(), 440);
    assert!(!response.headers().contains_key("x-request-id"));
}

/// Counts the responses with status 440 that a trace sees.
#[derive(Clone, Default)]
struct Seen(Arc<AtomicUsize>);

macro_rules! trace {
    ($seen:expr) => {{
        let seen = $seen.clone();
        TraceLayer::new_for_http().on_response(
            move |response: &Response<_>, _: Duration, _: &tracing::Span| {
                if response.status() == 440 {
                    seen.0.fetch_add(1, Ordering::Relaxed);
                }
            },
        )
    }};
}

#[tokio::test]
async fn trace_outside_sees_a_440() {
    let (timeouts, ..) = prepared().await;
    let seen = Seen::default();
    let site = routes().layer(timeouts).layer(trace!(seen));
    assert_eq!(get(site, "/", "sesame").await.status(), 440);
    assert_eq!(seen.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn wrong_order_trace_inside_sees_no_440() {
    let (timeouts, ..) = prepared().await;
    let seen = Seen::default();
    let site = routes().layer(trace!(seen)).layer(timeouts);
    assert_eq!(get(site, "/", "sesame").await.status(), 440);
    assert_eq!(seen.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn cors_outside_lets_a_script_read_a_440() {
    let (timeouts, ..) = prepared().await;
    let site = routes().layer(timeouts).layer(cors());
    let response = get(site, "/", "sesame").await;
    assert_eq!(response.status(), 440);
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN);
}

#[tokio::test]
async fn wrong_order_cors_inside_hides_a_440_from_the_script() {
    let (timeouts, ..) = prepared().await;
    let site = routes().layer(cors()).layer(timeouts);
    let response = get(site, "/", "sesame").await;
    assert_eq!(response.status(), 440);
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

/// Opens a compressed event stream, ends its session, and returns what the client could decompress,
/// and whether the response broke off.
async fn ended_stream(site: Router, tracker: Tracker, clock: ManualClock) -> (String, Whole) {
    let response = get(site, "/events", "live").await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    tracker.revoke("live").await.unwrap();
    let read = async {
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend(frame.into_data().unwrap_or_default()),
                Err(_) => return (bytes, Whole::No),
            }
        }
        (bytes, Whole::Yes)
    };
    // The layer waits from the moment in which the body is read.
    let wait = async {
        for _ in 0..4 {
            tokio::task::yield_now().await;
            clock.advance(LOOK);
        }
    };
    let both = async { tokio::join!(read, wait).0 };
    let (bytes, whole) = tokio::time::timeout(SOON, both).await.unwrap();
    let mut text = Vec::new();
    // The text up to the place where the stream breaks off.
    let _ = GzDecoder::new(&*bytes).read_to_end(&mut text);
    (String::from_utf8(text).unwrap(), whole)
}

#[derive(Debug, PartialEq)]
enum Whole {
    Yes,
    No,
}

#[tokio::test]
async fn compression_outside_compresses_the_last_event_too() {
    let (timeouts, tracker, clock) = prepared().await;
    let site = routes().layer(timeouts).layer(compression());
    let (text, whole) = ended_stream(site, tracker, clock).await;
    assert!(text.contains("event: login-timeout"), "{text}");
    assert_eq!(whole, Whole::Yes);
}

#[tokio::test]
async fn wrong_order_compression_inside_breaks_the_stream_off_without_a_last_event() {
    let (timeouts, tracker, clock) = prepared().await;
    let site = routes().layer(compression()).layer(timeouts);
    let (text, whole) = ended_stream(site, tracker, clock).await;
    assert!(!text.contains("login-timeout"), "{text}");
    assert_eq!(whole, Whole::No);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_inside_ends_a_slow_handler() {
    let (timeouts, ..) = prepared().await;
    let site = routes().layer(slowest()).layer(timeouts);
    let response = get(site, "/slow", "live").await;
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_outside_ends_a_slow_handler_too() {
    let (timeouts, ..) = prepared().await;
    let site = routes().layer(timeouts).layer(slowest());
    let response = get(site, "/slow", "live").await;
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}
