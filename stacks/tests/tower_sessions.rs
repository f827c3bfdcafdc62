//! tower-sessions inside the timeouts, and what goes wrong in another order.

#[allow(dead_code)]
#[path = "../examples/tower_sessions.rs"]
mod example;

use std::time::Duration;

use axum::Router;
use example::{ABSOLUTE, IDLE, routes, sessions, timeouts};
use tower_login_timeout::{CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy};
use tower_login_timeout_stacks::visitor::Visitor;

fn site() -> (Router, ManualClock) {
    let clock = ManualClock::new();
    let site = routes()
        .layer(sessions())
        .layer(timeouts(clock.clone()).unwrap());
    (site, clock)
}

/// A visitor who has logged in.
async fn ada(site: &Router) -> Visitor {
    let mut visitor = Visitor::new(site);
    visitor.post("/login", "name=ada").await;
    visitor
}

#[tokio::test]
async fn a_visitor_without_data_has_no_cookie_and_nothing_to_time_out() {
    let (site, clock) = site();
    let mut visitor = Visitor::new(&site);
    for _ in 0..3 {
        let page = visitor.get("/").await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains("a visitor"), "{}", page.text);
        assert!(visitor.cookies.is_empty());
        clock.advance(IDLE);
    }
}

#[tokio::test]
async fn a_visitor_with_data_has_a_session_that_times_out() {
    let (site, clock) = site();
    let mut visitor = Visitor::new(&site);
    visitor.post("/cart", "").await;
    assert!(visitor.get("/").await.text.contains("1 books"));
    clock.advance(IDLE);
    let page = visitor.get("/").await;
    assert_eq!(page.header("login-timeout-reason"), "idle");
    assert!(visitor.get("/").await.text.contains("0 books"));
}

#[tokio::test]
async fn the_cookie_lives_as_long_as_the_browser_does() {
    let (site, _) = site();
    let page = Visitor::new(&site).post("/login", "name=ada").await;
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("id="), "{cookie}");
    assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"));
}

#[tokio::test]
async fn a_log_in_keeps_the_cart_and_changes_the_id() {
    let (site, _) = site();
    let mut ada = Visitor::new(&site);
    ada.post("/cart", "").await;
    let before = ada.cookies["id"].clone();
    ada.post("/login", "name=ada").await;
    assert_ne!(ada.cookies["id"], before);
    let page = ada.get("/").await;
    assert!(
        page.text.contains("a member, with 1 books"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn a_log_in_does_not_inherit_the_cart_of_another_user() {
    let (site, clock) = site();
    let mut browser = ada(&site).await;
    browser.post("/cart", "").await;
    clock.advance(IDLE);
    browser.post("/login", "name=bob").await;
    let page = browser.get("/").await;
    assert!(
        page.text.contains("a member, with 0 books"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn the_absolute_timeout_counts_from_an_exempt_log_in() {
    let (site, clock) = site();
    let mut ada = Visitor::new(&site);
    let step = Duration::from_secs(20);
    let steps = u32::try_from(ABSOLUTE.as_secs() / step.as_secs()).unwrap();
    ada.post("/cart", "").await;
    for _ in 1..steps {
        clock.advance(step);
        assert_eq!(ada.get("/").await.status, 200);
    }
    ada.post("/login", "name=ada").await;
    for _ in 1..steps {
        clock.advance(step);
        assert_eq!(ada.get("/").await.status, 200);
    }
    clock.advance(step);
    let page = ada.get("/").await;
    assert_eq!(page.header("login-timeout-reason"), "absolute");
}

#[tokio::test]
async fn an_idle_session_ends_although_tower_sessions_still_knows_it() {
    let (site, clock) = site();
    let mut ada = ada(&site).await;
    assert!(ada.get("/").await.text.contains("a member"));
    clock.advance(IDLE);
    let mut copy = ada.clone();
    let page = ada.get("/").await;
    assert_eq!((page.status, page.location()), (303, "/login?returnUrl=/"));
    assert!(ada.get("/").await.text.contains("a visitor"));
    assert_eq!(copy.post("/cart", "").await.status, 440);
}

#[tokio::test]
async fn a_log_out_ends_the_session_for_a_copy_of_its_cookie() {
    let (site, _) = site();
    let mut ada = ada(&site).await;
    let mut copy = ada.clone();
    ada.post("/logout", "").await;
    assert!(ada.cookies.is_empty());
    let page = copy.get("/").await;
    assert_eq!(page.header("login-timeout-reason"), "revoked");
}

#[tokio::test]
async fn sealed_cookies_are_read_with_the_same_key() {
    let key = tower_sessions::cookie::Key::from(&[7; 64]);
    let identify = || CookieId::new("id").unwrap();
    let timeouts =
        |identify| LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
    let signed = routes()
        .layer(sessions().with_signed(key.clone()))
        .layer(timeouts(identify().with_signed(key.clone())));
    let private = routes()
        .layer(sessions().with_private(key.clone()))
        .layer(timeouts(identify().with_private(key)));
    for site in [signed, private] {
        let mut ada = ada(&site).await;
        let mut copy = ada.clone();
        assert!(ada.get("/").await.text.contains("a member"));
        ada.post("/logout", "").await;
        assert_eq!(
            copy.get("/").await.header("login-timeout-reason"),
            "revoked"
        );
    }
}

#[tokio::test]
async fn wrong_order_timeouts_inside_refuse_each_new_session() {
    let site = routes()
        .layer(timeouts(ManualClock::new()).unwrap())
        .layer(sessions());
    let mut ada = ada(&site).await;
    // tower-sessions adds the cookie outside the timeouts, so they know nothing of it.
    let page = ada.get("/").await;
    assert_eq!(page.header("login-timeout-reason"), "unknown");
}
