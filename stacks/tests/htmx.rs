//! What the server answers to htmx. `tests/browser` of the main package drives htmx itself.

#[allow(dead_code)]
#[path = "../examples/htmx.rs"]
mod example;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use example::{IDLE, routes, timeouts};
use tower_login_timeout::ManualClock;
use tower_login_timeout_stacks::visitor::{Page, Visitor};

fn site() -> (Router, ManualClock) {
    let clock = ManualClock::new();
    let site = routes(String::new()).layer(timeouts(clock.clone()).unwrap());
    (site, clock)
}

/// Sends a request as htmx does.
async fn part(visitor: &mut Visitor) -> Page {
    let request = Request::get("/part")
        .header("hx-request", "true")
        .header("sec-fetch-mode", "cors")
        .header("accept", "*/*");
    visitor.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_part_of_an_ended_session_is_answered_440_and_not_redirected() {
    let (site, clock) = site();
    let mut ada = Visitor::new(&site);
    ada.post("/login", "").await;
    assert_eq!(part(&mut ada).await.text, "90 seconds");
    clock.advance(IDLE);
    let page = part(&mut ada).await;
    assert_eq!((page.status, page.location()), (440, ""));
    // The cookie is gone, so the application itself answers the next one.
    let page = part(&mut ada).await;
    assert_eq!((page.status, page.header("hx-redirect")), (200, "/login"));
}

#[tokio::test]
async fn the_page_of_an_ended_session_is_redirected() {
    let (site, clock) = site();
    let mut ada = Visitor::new(&site);
    ada.post("/login", "").await;
    clock.advance(IDLE);
    let page = ada.get("/").await;
    assert_eq!((page.status, page.location()), (303, "/login?returnUrl=/"));
}

#[tokio::test]
async fn the_module_of_the_page_is_there() {
    let (site, _) = site();
    let page = Visitor::new(&site).get("/session/login-timeout.js").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/javascript"));
}
