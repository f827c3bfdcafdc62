//! axum-extra's private cookies inside the timeouts, and what goes wrong if they are read
//! otherwise.

#[allow(dead_code)]
#[path = "../examples/private_cookie.rs"]
mod example;

use axum::Router;
use axum::routing::{get, post};
use axum_extra::extract::PrivateCookieJar;
use axum_extra::extract::cookie::{Cookie, Key};
use example::{IDLE, Keys, routes, timeouts};
use tower_login_timeout::{CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy, Tracker};
use tower_login_timeout_stacks::visitor::Visitor;

fn keys() -> Keys {
    Keys(Key::from(&[7; 64]))
}

fn site() -> (Router, ManualClock) {
    let clock = ManualClock::new();
    let site = routes(keys()).layer(timeouts(&keys(), clock.clone()).unwrap());
    (site, clock)
}

/// A visitor who has logged in.
async fn ada(site: &Router) -> Visitor {
    let mut visitor = Visitor::new(site);
    visitor.post("/login", "name=ada").await;
    visitor
}

#[tokio::test]
async fn an_idle_session_ends_with_a_redirect_and_without_its_cookie() {
    let (site, clock) = site();
    let mut ada = ada(&site).await;
    assert!(ada.get("/").await.text.contains("Hello, ada"));
    clock.advance(IDLE);
    let page = ada.get("/").await;
    assert_eq!((page.status, page.location()), (303, "/login?returnUrl=/"));
    assert!(ada.cookies.is_empty());
}

#[tokio::test]
async fn a_log_out_ends_the_session_for_a_copy_of_its_cookie_and_no_other_one() {
    let (site, _) = site();
    let mut laptop = ada(&site).await;
    let mut phone = ada(&site).await;
    let mut copy = laptop.clone();
    laptop.post("/logout", "").await;
    let page = copy.get("/").await;
    assert_eq!(page.header("login-timeout-reason"), "revoked");
    assert_eq!(phone.get("/").await.status, 200);
}

#[tokio::test]
async fn a_cookie_that_the_site_cannot_decrypt_is_no_session() {
    let (site, _) = site();
    let mut visitor = Visitor::new(&site);
    visitor
        .cookies
        .insert("sid".to_owned(), "made-up".to_owned());
    let page = visitor.get("/").await;
    assert_eq!((page.status, page.location()), (303, "/login"));
    assert_eq!(page.header("login-timeout-reason"), "");
}

#[tokio::test]
async fn wrong_value_a_user_without_a_random_part_cannot_log_in_again() {
    let log_in = async |jar: PrivateCookieJar| jar.add(Cookie::build(("sid", "ada")).path("/"));
    let log_out = async |jar: PrivateCookieJar| jar.remove(Cookie::build("sid").path("/"));
    let site = Router::new()
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .fallback(|| async { "hello" })
        .with_state(keys())
        .layer(timeouts(&keys(), ManualClock::new()).unwrap());
    let mut ada = ada(&site).await;
    assert_eq!(ada.get("/").await.status, 200);
    ada.post("/logout", "").await;
    ada.post("/login", "").await;
    assert_eq!(ada.get("/").await.header("login-timeout-reason"), "revoked");
}

/// A site that sends the cookie again with each page, and what its tracker makes of the id.
async fn sent_again(identify: CookieId) -> (bool, u16) {
    let cookie = || Cookie::build(("sid", "6f1d0c.ada")).path("/");
    let again = async move |jar: PrivateCookieJar| jar.add(cookie());
    let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
    let tracker: Tracker = layer.tracker();
    let site = Router::new()
        .fallback(get(again))
        .with_state(keys())
        .layer(layer);
    let mut ada = Visitor::new(&site);
    ada.get("/").await;
    ada.get("/").await;
    let is_ended = tracker.revoke("6f1d0c.ada").await.unwrap();
    (is_ended, ada.get("/").await.status)
}

#[tokio::test]
async fn the_tracker_knows_the_id_as_the_application_does() {
    let identify = CookieId::new("sid").unwrap().with_private(keys().0);
    let (is_ended, status) = sent_again(identify).await;
    assert!(is_ended);
    assert_eq!(status, 440);
}

#[tokio::test]
async fn wrong_identifier_without_the_key_the_id_is_another_one_each_time() {
    let identify = CookieId::new("sid").unwrap();
    let (is_ended, status) = sent_again(identify).await;
    assert!(!is_ended);
    assert_eq!(status, 200);
}
