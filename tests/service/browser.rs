//! Tests of the layer's own answers to pages.

use std::time::Duration;

use http::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_login_timeout::{ActivityStore, MemoryStore, Reason, Visitors, rule};

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{ABSOLUTE, IDLE, MILLISECOND, Site, anonymous, header, policy, request};

const SECOND: Duration = Duration::from_secs(1);

/// A site that answers pages at `/session`.
fn site() -> Site {
    behind(MemoryStore::new())
}

fn behind<St: ActivityStore>(store: St) -> Site<St> {
    Site::with_store(policy(), store).configured(|layer| layer.with_browser("/session"))
}

/// A request of the page itself.
fn own(method: Method, id: &str) -> Request<String> {
    let mut request = request("/session", id);
    *request.method_mut() = method;
    let same_origin = "same-origin".parse().unwrap();
    request.headers_mut().insert("sec-fetch-site", same_origin);
    request
}

async fn state<St: ActivityStore>(site: &Site<St>, request: Request<String>) -> Value {
    let response = site.send(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(response.headers(), "cache-control"), "no-store");
    serde_json::from_str(response.body()).unwrap()
}

fn active(remaining: Duration, absolute: Duration) -> Value {
    json!({
        "state": "active",
        "reason": null,
        "remainingMs": remaining.as_millis() as u64,
        "idleMs": IDLE.as_millis() as u64,
        "absoluteRemainingMs": absolute.as_millis() as u64,
        "warnBeforeMs": 60_000,
    })
}

fn over(state: &str, reason: Option<Reason>) -> Value {
    json!({
        "state": state,
        "reason": reason.map(Reason::as_str),
        "remainingMs": null,
        "idleMs": null,
        "absoluteRemainingMs": null,
        "warnBeforeMs": 60_000,
    })
}

fn set_cookie(headers: &HeaderMap) -> &str {
    header(headers, "set-cookie")
}

#[tokio::test]
async fn a_question_extends_nothing() {
    let site = site();
    site.start("a").await;
    for second in 0..60 {
        let passed = second * SECOND;
        let found = state(&site, own(Method::GET, "a")).await;
        assert_eq!(found, active(IDLE - passed, ABSOLUTE - passed));
        site.clock.advance(SECOND);
    }
    let found = state(&site, own(Method::GET, "a")).await;
    assert_eq!(found, over("expired", Some(Reason::Idle)));
    assert_eq!(site.calls(), 0);
}

#[tokio::test]
async fn each_state_is_told() {
    let site = site();
    let found = state(&site, anonymous("/session")).await;
    assert_eq!(found, over("anonymous", None));
    let found = state(&site, own(Method::GET, "never seen")).await;
    assert_eq!(found, over("expired", Some(Reason::Unknown)));
    site.start("a").await;
    site.layer.tracker().revoke("a").await.unwrap();
    for method in [Method::GET, Method::POST] {
        let found = state(&site, own(method, "a")).await;
        assert_eq!(found, over("expired", Some(Reason::Revoked)));
    }
    site.start("b").await;
    site.start("c").await;
    let found = state(&site, own(Method::GET, "b; sid=c")).await;
    assert_eq!(found, over("expired", Some(Reason::Conflicting)));
    let found = state(&site, own(Method::GET, "never seen; sid=c")).await;
    assert_eq!(found["state"], "active");
}

#[tokio::test]
async fn an_id_that_would_begin_a_session_is_told_so_and_begins_none() {
    let begins = Site::new(policy().begin_unknown());
    let site = begins.configured(|layer| layer.with_browser("/session"));
    for method in [Method::GET, Method::POST] {
        let found = state(&site, own(method, "new")).await;
        assert_eq!(found, active(IDLE, ABSOLUTE));
        assert_eq!(site.layer.tracker().activity("new").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_page_extends_its_session_up_to_the_absolute_timeout() {
    let site = site();
    site.start("a").await;
    let mut passed = Duration::ZERO;
    while passed < ABSOLUTE {
        let found = state(&site, own(Method::POST, "a")).await;
        let remaining = IDLE.min(ABSOLUTE - passed);
        assert_eq!(found, active(remaining, ABSOLUTE - passed));
        passed += IDLE / 2;
        site.clock.advance(IDLE / 2);
    }
    let found = state(&site, own(Method::POST, "a")).await;
    assert_eq!(found, over("expired", Some(Reason::Absolute)));
}

#[tokio::test]
async fn a_page_signs_out() {
    let site = site();
    for id in ["a", "b"] {
        site.start(id).await;
    }
    // Every id that the request presents ends.
    let response = site.send(own(Method::DELETE, "a; sid=b")).await;
    assert_eq!(response.status(), 200);
    let cookie = set_cookie(response.headers());
    assert!(cookie.starts_with("sid=;"), "{cookie}");
    let told: Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(told, over("expired", Some(Reason::Revoked)));
    for id in ["a", "b"] {
        assert_eq!(site.status(id).await, 440);
    }
    // Without a session there is nothing to end.
    let mut request = own(Method::DELETE, "");
    request.headers_mut().remove("cookie");
    assert_eq!(state(&site, request).await, over("anonymous", None));
}

#[tokio::test]
async fn another_site_extends_and_ends_nothing() {
    let site = site();
    site.start("a").await;
    site.clock.advance(IDLE / 2);
    for method in [Method::POST, Method::DELETE] {
        for from in ["cross-site", "same-site", "none"] {
            let mut request = own(method.clone(), "a");
            let from = from.parse().unwrap();
            request.headers_mut().insert("sec-fetch-site", from);
            let response = site.send(request).await;
            assert_eq!(response.status(), 403);
            assert_eq!(set_cookie(response.headers()), "");
        }
    }
    let found = state(&site, own(Method::GET, "a")).await;
    assert_eq!(found, active(IDLE / 2, ABSOLUTE - IDLE / 2));
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let site = site();
    for method in ["HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "QUERY"] {
        let request = own(method.parse().unwrap(), "a");
        let response = site.send(request).await;
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(header(response.headers(), "allow"), "GET, POST, DELETE");
    }
    assert_eq!(site.calls(), 0);
}

#[tokio::test]
async fn other_paths_are_the_application_s() {
    let site = site();
    for path in [
        "/",
        "/sessions",
        "/session/",
        "/session/other.js",
        "/a/session",
    ] {
        let response = site.send(anonymous(path)).await;
        assert_eq!(response.body(), "hello", "{path}");
    }
    assert_eq!(site.calls(), 5);
    // The files need no session.
    for name in [
        "login-timeout.js",
        "login-timeout.texts.js",
        "login-timeout.d.ts",
    ] {
        let response = site.ask(&format!("/session/{name}"), "unknown").await;
        assert_eq!(response.status(), 200, "{name}");
        assert!(!response.body().is_empty());
    }
    assert_eq!(site.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_is_told_in_time() {
    for fault in [Fault::Fails, Fault::Hangs] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let store = ScriptedStore::default();
            let site = behind(store.clone());
            site.start("a").await;
            store.set_all(fault.clone());
            let before = Instant::now();
            let response: Response<String> = site.send(own(method.clone(), "a")).await;
            assert_eq!(response.status(), 503, "{method} {fault:?}");
            assert!(before.elapsed() <= policy().build().unwrap().store_timeout());
            // The page has to be able to ask again.
            assert_eq!(set_cookie(response.headers()), "");
            store.heal();
            let again = state(&site, own(method, "a")).await;
            assert_ne!(again["state"], "anonymous");
        }
    }
}

#[tokio::test]
async fn a_question_costs_one_touch() {
    let store = ScriptedStore::default();
    let site = behind(store.clone());
    site.start("a").await;
    store.calls();
    for method in [Method::GET, Method::POST] {
        site.clock.advance(MILLISECOND);
        state(&site, own(method, "a")).await;
        assert_eq!(store.calls(), [Operation::Touch]);
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_path_is_the_whole_one_inside_nest() {
    use axum::Router;
    use axum::body::Body;
    use tower::ServiceExt;

    let site = Site::new(policy()).configured(|layer| layer.with_browser("/app/session"));
    let inner = Router::new().fallback(async || "inner").layer(site.layer);
    let router = Router::new().nest("/app", inner);
    let ask = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        header(response.headers(), "content-type").to_owned()
    };
    assert_eq!(ask("/app/session").await, "application/json");
    assert_eq!(ask("/app/app/session").await, "text/plain; charset=utf-8");
}

/// A page of a visitor counts down to nothing, and is told of no end.
#[tokio::test]
async fn a_visitor_is_anonymous() {
    let visitors = Visitors::new().with_log_in(rule::path("/login"));
    let site = site().configured(|layer| layer.with_visitors(visitors));
    site.setting(anonymous("/"), &["sid=v"]).await;
    for id in ["v", "unknown"] {
        let told = state(&site, own(Method::GET, id)).await;
        assert_eq!(told, over("anonymous", None), "{id}");
    }
    site.setting(request("/login", "v"), &["sid=a"]).await;
    let told = state(&site, own(Method::GET, "a")).await;
    assert_eq!(told, active(IDLE, ABSOLUTE));
    site.clock.advance(IDLE);
    let told = state(&site, own(Method::GET, "a")).await;
    assert_eq!(told, over("expired", Some(Reason::Idle)));
}
