//! axum-login inside the timeouts, and what goes wrong in another order.

#[allow(dead_code)]
#[path = "../examples/axum_login.rs"]
mod example;

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use axum_login::{AuthSession, AuthnBackend};
use example::{Backend, IDLE, auth, routes, timeouts};
use tower_login_timeout::ManualClock;
use tower_login_timeout_stacks::visitor::Visitor;

const ADA: &str = "name=ada&password=lovelace";

fn site() -> (Router, ManualClock) {
    let clock = ManualClock::new();
    let site = routes()
        .layer(auth())
        .layer(timeouts(clock.clone()).unwrap());
    (site, clock)
}

/// A visitor who has logged in.
async fn ada(site: &Router) -> Visitor {
    let mut visitor = Visitor::new(site);
    let page = visitor.post("/login", ADA).await;
    assert_eq!((page.status, page.location()), (303, "/"));
    visitor
}

#[tokio::test]
async fn a_member_sees_the_time_that_is_left() {
    let (site, clock) = site();
    let mut ada = ada(&site).await;
    clock.advance(Duration::from_secs(10));
    let page = ada.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Hello, ada"), "{}", page.text);
    assert!(page.text.contains("30 seconds left"), "{}", page.text);
}

#[tokio::test]
async fn an_anonymous_visitor_is_sent_to_the_log_in_page_by_axum_login() {
    let (site, _) = site();
    let mut visitor = Visitor::new(&site);
    let page = visitor.get("/").await;
    assert_eq!((page.status, page.location()), (307, "/login?next=%2F"));
    assert_eq!(page.header("login-timeout-reason"), "");
    assert!(visitor.cookies.is_empty());
}

#[tokio::test]
async fn an_idle_session_ends_with_a_redirect_and_without_its_cookie() {
    let (site, clock) = site();
    let mut ada = ada(&site).await;
    clock.advance(IDLE);
    let page = ada.get("/").await;
    assert_eq!((page.status, page.location()), (303, "/login?next=/"));
    assert_eq!(page.header("login-timeout-reason"), "idle");
    assert!(page.header("set-cookie").contains("SameSite=Strict"));
    assert!(ada.cookies.is_empty());
    assert_eq!(ada.get("/login").await.status, 200);
    ada.post("/login", ADA).await;
    assert_eq!(ada.get("/").await.status, 200);
}

#[tokio::test]
async fn a_form_that_is_sent_too_late_is_answered_440() {
    let (site, clock) = site();
    let mut ada = ada(&site).await;
    clock.advance(IDLE);
    let page = ada.post("/logout", "").await;
    assert_eq!(page.status, 440);
    assert!(page.text.contains(r#"href="/login"#), "{}", page.text);
}

#[tokio::test]
async fn a_log_in_while_logged_in_gives_a_new_id() {
    let (site, _) = site();
    let mut ada = ada(&site).await;
    let before = ada.cookies["id"].clone();
    ada.post("/login", ADA).await;
    assert_ne!(ada.cookies["id"], before);
    assert_eq!(ada.get("/").await.status, 200);
}

#[tokio::test]
async fn a_log_in_beside_the_cookie_of_an_ended_session_counts() {
    let (site, clock) = site();
    let mut ada = ada(&site).await;
    clock.advance(IDLE);
    // The log-in page was open in another tab, so nothing has removed the cookie yet.
    let ended = ada.cookies["id"].clone();
    ada.post("/login", ADA).await;
    assert_ne!(ada.cookies["id"], ended);
    assert_eq!(ada.get("/").await.status, 200);
}

#[tokio::test]
async fn a_log_out_ends_the_session_for_a_copy_of_its_cookie() {
    let (site, _) = site();
    let mut ada = ada(&site).await;
    let mut thief = ada.clone();
    assert_eq!(ada.post("/logout", "").await.status, 303);
    assert!(ada.cookies.is_empty());
    let page = thief.get("/").await;
    assert_eq!(page.status, 303);
    assert_eq!(page.header("login-timeout-reason"), "revoked");
}

#[tokio::test]
async fn wrong_order_timeouts_inside_refuse_each_new_log_in() {
    let site = routes()
        .layer(timeouts(ManualClock::new()).unwrap())
        .layer(auth());
    let mut ada = ada(&site).await;
    // axum-login adds the cookie outside the timeouts, so they know nothing of it.
    let page = ada.get("/").await;
    assert_eq!(page.status, 303);
    assert_eq!(page.header("login-timeout-reason"), "unknown");
}

#[tokio::test]
async fn wrong_handler_a_log_in_that_keeps_the_id_has_to_be_repeated() {
    let log_in = async |mut auth: AuthSession<Backend>| {
        let user = Backend.get_user(&"ada".to_owned()).await.unwrap().unwrap();
        auth.login(&user).await.unwrap();
        StatusCode::OK
    };
    let clock = ManualClock::new();
    let site = Router::new()
        .route("/login", post(log_in))
        .fallback(|| async { "hello" })
        .layer(auth())
        .layer(timeouts(clock.clone()).unwrap());
    let mut ada = Visitor::new(&site);
    ada.post("/login", "").await;
    clock.advance(IDLE);
    ada.post("/login", "").await;
    assert_eq!(ada.get("/").await.header("login-timeout-reason"), "idle");
    ada.post("/login", "").await;
    assert_eq!(ada.get("/").await.status, 200);
}
