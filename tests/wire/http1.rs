//! Tests of the exact bytes on HTTP/1.1.

use http::HeaderValue;
use tower_login_timeout::LoginTimeoutResponse;

use crate::common::http1::{Message, Wire, ask, get, request};
use crate::{IDLE, layer, serve_hyper};

const BODY: &str = "<html><body>Your session has expired. Please log in again.</body></html>";

/// Returns the first line and all headers except the date, sorted.
pub fn lines(message: &Message) -> Vec<String> {
    let mut lines: Vec<String> = message
        .headers
        .iter()
        .filter(|(name, _)| name != "date")
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.sort();
    lines.insert(0, message.start.clone());
    lines
}

pub fn assert_is_the_440(answer: &Message) {
    let expected = [
        "HTTP/1.1 440 Login Time-out",
        "cache-control: no-store",
        "content-length: 72",
        "content-type: text/html; charset=utf-8",
        "login-timeout-reason: idle",
        "set-cookie: sid=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "vary: accept",
    ];
    assert_eq!(lines(answer), expected);
    assert_eq!(answer.body, BODY);
}

#[tokio::test]
async fn a_live_session_is_answered_by_the_service_and_an_expired_one_by_the_440() {
    let (layer, clock) = layer().await;
    let address = serve_hyper(layer).await;
    let answer = ask(address, &get("/", &["cookie: sid=sesame"])).await;
    assert_eq!(lines(&answer), ["HTTP/1.1 200 OK", "content-length: 5"]);
    assert_eq!(answer.body, "hello");

    clock.advance(IDLE);
    let answer = ask(address, &get("/", &["cookie: sid=sesame"])).await;
    assert_is_the_440(&answer);
}

#[tokio::test]
async fn the_reason_phrase_and_the_removal_are_as_configured() {
    let (layer, _) = layer().await;
    let response = LoginTimeoutResponse::new()
        .with_phrase("Login Timeout")
        .unwrap()
        .with_header(http::header::RETRY_AFTER, HeaderValue::from_static("0"));
    let address = serve_hyper(layer.with_response(response)).await;
    let answer = ask(address, &get("/", &["cookie: sid=forged"])).await;
    assert_eq!(answer.start, "HTTP/1.1 440 Login Timeout");
    assert_eq!(answer.header("login-timeout-reason"), Some("unknown"));
    assert_eq!(answer.header("retry-after"), Some("0"));
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let (layer, _) = layer().await;
    let mut wire = Wire::connect(serve_hyper(layer).await).await;
    wire.send(&request("HEAD", "/", &["cookie: sid=forged"], ""))
        .await;
    let answer = wire.head().await;
    assert_eq!(answer.start, "HTTP/1.1 440 Login Time-out");
    // A body would arrive before the next answer.
    let next = wire.ask(&get("/", &[])).await;
    assert_eq!(next.start, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn the_connection_stays_usable() {
    let (layer, clock) = layer().await;
    let mut wire = Wire::connect(serve_hyper(layer).await).await;
    clock.advance(IDLE);
    for _ in 0..2 {
        assert_is_the_440(&wire.ask(&get("/", &["cookie: sid=sesame"])).await);
    }
    let answer = wire.ask(&get("/", &[])).await;
    assert_eq!(answer.body, "hello");
}

#[tokio::test]
async fn the_connection_stays_usable_though_nobody_read_the_body() {
    let (layer, clock) = layer().await;
    let mut wire = Wire::connect(serve_hyper(layer).await).await;
    clock.advance(IDLE);
    let post = request(
        "POST",
        "/",
        &["cookie: sid=sesame"],
        "GET /not-a-request HTTP/1.1\r\n\r\n",
    );
    assert_is_the_440(&wire.ask(&post).await);
    let answer = wire.ask(&get("/", &[])).await;
    assert_eq!(answer.body, "hello");
}

#[tokio::test]
async fn a_client_that_waits_to_send_its_body_is_not_asked_for_it() {
    let (layer, clock) = layer().await;
    let mut wire = Wire::connect(serve_hyper(layer).await).await;
    clock.advance(IDLE);
    let head = [
        "cookie: sid=sesame",
        "expect: 100-continue",
        "content-length: 1000000",
    ];
    assert_is_the_440(&wire.ask(&request("POST", "/", &head, "")).await);
}
