//! Tests of the layer that settings describe.

use tower_login_timeout::{BearerToken, LoginTimeoutLayer, ManualClock, MemoryStore};

use crate::common::site::{IDLE, MILLISECOND, Site, anonymous, header, policy, reason, request};
use crate::settings;

/// Returns a site behind the layer of these settings, with the cookie `sid` and a session `a`.
async fn site(toml: &str) -> Site {
    let settings = settings(&format!("cookie.name = 'sid'\npolicy.idle = '60s'\n{toml}"));
    let site = Site::new(policy());
    let clock = site.clock.clone();
    let site = site.configured(|_| {
        let layer = LoginTimeoutLayer::from_settings(&settings, MemoryStore::new());
        layer.unwrap().with_clock(clock)
    });
    site.start("a").await;
    site
}

#[tokio::test]
async fn the_policy_counts() {
    let site = site("").await;
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
    site.clock.advance(IDLE);
    assert_eq!(site.status("a").await, 440);
}

#[tokio::test]
async fn passive_paths_are_no_activity() {
    let site = site("passive = { paths = ['/poll'], path_prefixes = ['/news'] }").await;
    site.clock.advance(IDLE / 2);
    assert_eq!(site.ask("/poll", "a").await.status(), 200);
    assert_eq!(site.ask("/news/1", "a").await.status(), 200);
    site.clock.advance(IDLE / 2);
    assert_eq!(site.ask("/poll", "a").await.status(), 440);
    assert_eq!(site.ask("/news/1", "a").await.status(), 440);
}

#[tokio::test]
async fn exempt_paths_are_not_checked() {
    let site = site("exempt = { paths = ['/login'], path_prefixes = ['/static'] }").await;
    for (path, status) in [
        ("/login", 200),
        ("/login/", 440),
        ("/static/a", 200),
        ("/statics", 440),
        ("/", 440),
    ] {
        assert_eq!(site.ask(path, "gone").await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn visitors_are_told_from_users() {
    let site = site(
        "[visitors]
        log_in = { paths = ['/login'], path_prefixes = ['/oauth'] }
        log_out = { paths = ['/logout'], path_prefixes = ['/leave'] }
        idle = '2m'
        absolute = '1h'",
    )
    .await;
    let paths = ["/", "/login", "/oauth/callback", "/login/help"];
    for (path, id) in paths.iter().zip(["v", "a1", "a2", "w"]) {
        site.setting(anonymous(path), &[&format!("sid={id}")]).await;
    }
    site.setting(request("/leave/now", "a2"), &["sid=x"]).await;
    assert_eq!(reason(&site.ask("/", "a2").await), "revoked");
    site.clock.advance(IDLE);
    for (id, status) in [("v", 200), ("a1", 440), ("w", 200), ("x", 200)] {
        assert_eq!(site.status(id).await, status, "{id}");
    }
    site.clock.advance(IDLE * 2);
    let response = site.ask("/", "v").await;
    assert!(header(response.headers(), "set-cookie").starts_with("sid=;"));
}

#[tokio::test]
async fn a_live_session_learns_how_much_time_is_left() {
    let site = site("remaining_header = true").await;
    let response = site.ask("/", "a").await;
    assert_eq!(header(response.headers(), "login-timeout-remaining"), "60");
}

#[tokio::test]
async fn the_answer_is_that_of_the_file() {
    let site = site("answer = { status = 401, headers = { www-authenticate = 'Form' } }").await;
    let response = site.ask("/", "gone").await;
    assert_eq!(response.status(), 401);
    assert_eq!(header(response.headers(), "www-authenticate"), "Form");
}

#[cfg(feature = "browser")]
#[tokio::test]
async fn pages_are_answered() {
    let site = site("browser = { path = '/session', warn_before = '25s' }").await;
    let state = site.ask("/session", "a").await.into_body();
    assert!(state.contains(r#""state":"active""#), "{state}");
    assert!(state.contains("25000"), "{state}");
}

#[tokio::test]
async fn a_layer_needs_a_cookie_or_an_identifier() {
    let settings = settings("policy.idle = '60s'");
    let error = LoginTimeoutLayer::from_settings(&settings, MemoryStore::new()).unwrap_err();
    assert!(error.to_string().contains("no `cookie`"), "{error}");
    let clock = ManualClock::new();
    let layer = LoginTimeoutLayer::from_settings_with(&settings, BearerToken, MemoryStore::new())
        .with_clock(clock.clone());
    layer.tracker().start("token").await.unwrap();
    let site = Site::new(policy()).configured(|_| layer);
    let mut request = crate::common::site::anonymous("/");
    let token = "Bearer token".parse().unwrap();
    request.headers_mut().insert("authorization", token);
    clock.advance(IDLE);
    assert_eq!(site.send(request).await.status(), 440);
}
