//! Access tokens of an issuer, and what goes wrong in another order and with other settings.

#[allow(dead_code)]
#[path = "../examples/openid.rs"]
mod example;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::middleware::from_fn_with_state;
use example::{IDLE, Issuer, REFRESH, TOKEN, api, issuer_endpoints, timeouts, verify};
use tower_login_timeout::{
    BearerToken, LoginTimeoutLayer, ManualClock, MemoryStore, Policy, Tracker,
};
use tower_login_timeout_stacks::visitor::{Page, Visitor};

struct Site {
    router: Router,
    clock: ManualClock,
}

fn site() -> Site {
    let clock = ManualClock::new();
    site_with(timeouts(clock.clone()).unwrap(), clock)
}

fn site_with(timeouts: LoginTimeoutLayer, clock: ManualClock) -> Site {
    let issuer = Issuer::new(clock.clone());
    let tracker = timeouts.tracker();
    let router = api()
        .layer(timeouts)
        .layer(from_fn_with_state(issuer.clone(), verify))
        .merge(issuer_endpoints(issuer, tracker));
    Site { router, clock }
}

impl Site {
    async fn log_in(&self) -> String {
        let page = Visitor::new(&self.router).post("/token", "user=ada").await;
        assert_eq!(page.status, 200);
        page.text
    }

    async fn refresh(&self, token: &str) -> String {
        let page = self.send("POST", "/refresh", token).await;
        assert_eq!(page.status, 200);
        page.text
    }

    async fn me(&self, token: &str) -> Page {
        self.send("GET", "/me", token).await
    }

    async fn send(&self, method: &str, path: &str, token: &str) -> Page {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        Visitor::new(&self.router).send(request).await
    }
}

fn reason(page: &Page) -> (u16, &str) {
    (page.status, page.header("login-timeout-reason"))
}

#[tokio::test]
async fn the_first_request_with_a_valid_token_begins_the_session() {
    let site = site();
    let token = site.log_in().await;
    let page = site.me(&token).await;
    assert_eq!((page.status, &*page.text), (200, "ada, 30 seconds left"));
    assert_eq!(site.me("made-up").await.status, 401);
}

#[tokio::test]
async fn a_token_outlives_its_session_and_does_not_begin_it_again() {
    let site = site();
    let token = site.log_in().await;
    site.me(&token).await;
    site.clock.advance(IDLE);
    assert_eq!(reason(&site.me(&token).await), (440, "idle"));
    site.clock.advance(IDLE);
    assert_eq!(reason(&site.me(&token).await), (440, "idle"));
    let token = site.log_in().await;
    assert_eq!(site.me(&token).await.status, 200);
}

#[tokio::test]
async fn a_token_that_has_expired_is_refused_before_its_session_is_looked_at() {
    let site = site();
    let token = site.log_in().await;
    site.clock.advance(TOKEN);
    assert_eq!(reason(&site.me(&token).await), (401, ""));
}

#[tokio::test]
async fn a_refreshed_token_continues_the_session() {
    let site = site();
    let first = site.log_in().await;
    site.me(&first).await;
    let second = site.refresh(&first).await;
    assert_eq!(site.me(&second).await.status, 200);
    site.clock.advance(IDLE);
    let third = site.refresh(&second).await;
    assert_eq!(reason(&site.me(&third).await), (440, "idle"));
}

#[tokio::test]
async fn a_log_out_ends_the_session_with_all_its_tokens() {
    let site = site();
    let first = site.log_in().await;
    let second = site.refresh(&first).await;
    site.me(&first).await;
    assert_eq!(site.send("POST", "/logout", &first).await.status, 204);
    for token in [&first, &second, &site.refresh(&second).await] {
        assert_eq!(reason(&site.me(token).await), (440, "revoked"));
    }
}

#[tokio::test]
async fn a_log_out_that_the_issuer_reports_ends_the_session() {
    let site = site();
    let token = site.log_in().await;
    site.me(&token).await;
    assert_eq!(site.send("POST", "/ended", &token).await.status, 204);
    assert_eq!(reason(&site.me(&token).await), (440, "revoked"));
}

/// A policy as an API with tokens of its own choice would have it.
fn begin_unknown(remember: Duration) -> Policy {
    let policy = Policy::builder().with_idle(IDLE).begin_unknown();
    let policy = policy.with_remember_expired_for(remember);
    policy.build().unwrap()
}

#[tokio::test]
async fn a_reported_log_out_counts_for_a_session_that_was_never_seen() {
    let site = site();
    let token = site.log_in().await;
    assert_eq!(site.send("POST", "/ended", &token).await.status, 204);
    assert_eq!(reason(&site.me(&token).await), (440, "revoked"));
}

#[tokio::test]
async fn wrong_order_timeouts_outside_begin_sessions_from_made_up_tokens() {
    let clock = ManualClock::new();
    let issuer = Issuer::new(clock.clone());
    let timeouts = LoginTimeoutLayer::new(begin_unknown(REFRESH), BearerToken, MemoryStore::new());
    let tracker: Tracker = timeouts.tracker();
    let router = api()
        .layer(from_fn_with_state(issuer, verify))
        .layer(timeouts);
    let site = Site { router, clock };
    assert_eq!(site.me("made-up").await.status, 401);
    assert!(tracker.activity("made-up").await.unwrap().is_some());
}

#[tokio::test]
async fn wrong_setting_an_ended_session_that_is_forgotten_begins_again() {
    let clock = ManualClock::new();
    let policy = begin_unknown(Duration::ZERO);
    let timeouts = LoginTimeoutLayer::new(policy, BearerToken, MemoryStore::with_capacity(100));
    let site = site_with(timeouts.with_clock(clock.clone()), clock);
    let token = site.log_in().await;
    site.me(&token).await;
    // The store forgets when other sessions are active.
    let other = site.log_in().await;
    for _ in 0..25 {
        site.clock.advance(IDLE / 2);
        assert_eq!(site.me(&other).await.status, 200);
    }
    assert_eq!(site.me(&token).await.status, 200);
}
