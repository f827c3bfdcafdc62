//! Tests of which sessions pass, and what the others are answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::common::http1::{Message, ask, get, request};
use crate::common::website;
use crate::proxy;

const ALPHA: &str = "cookie: sid=alpha";
const FORGED: &str = "cookie: sid=forged";

async fn log_in(proxy: SocketAddr) -> Message {
    ask(proxy, &request("POST", "/login", &[], "name=Ada")).await
}

/// Sends requests until the session is over.
async fn asked_until_440(proxy: SocketAddr, path: &str) -> Message {
    let began = Instant::now();
    loop {
        let answer = ask(proxy, &get(path, &[ALPHA])).await;
        if answer.status() == 440 {
            return answer;
        }
        assert_eq!(answer.body, "hello");
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the session never ends"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn anonymous_visitors_pass() {
    let proxy = proxy(website::start().await, &["--idle", "20m"]);
    assert_eq!(ask(proxy.address, &get("/", &[])).await.body, "hello");
}

#[tokio::test]
async fn log_in_and_log_out_are_seen_in_the_cookies_that_the_application_sets() {
    let proxy = proxy(website::start().await, &["--idle", "20m"]);
    let answer = ask(proxy.address, &get("/", &[ALPHA])).await;
    assert_eq!(answer.header("login-timeout-reason"), Some("unknown"));
    log_in(proxy.address).await;
    assert_eq!(ask(proxy.address, &get("/", &[ALPHA])).await.body, "hello");
    let goodbye = ask(proxy.address, &request("POST", "/logout", &[ALPHA], "")).await;
    assert_eq!(goodbye.body, "goodbye");
    let answer = ask(proxy.address, &get("/", &[ALPHA])).await;
    assert_eq!(answer.status(), 440);
    assert_eq!(answer.header("login-timeout-reason"), Some("revoked"));
}

#[tokio::test]
async fn a_visitor_is_told_from_a_user() {
    let options = ["--log-in-path", "/login", "--log-out-path", "/leave"];
    let proxy = proxy(website::start().await, &options);
    let answer = ask(proxy.address, &get("/headers", &[FORGED])).await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.body.contains("forged"), "{}", answer.body);
    assert!(answer.header("set-cookie").unwrap().starts_with("sid=; "));
    log_in(proxy.address).await;
    assert_eq!(ask(proxy.address, &get("/", &[ALPHA])).await.body, "hello");
    let left = ask(proxy.address, &request("POST", "/leave", &[ALPHA], "")).await;
    assert!(left.header("set-cookie").unwrap().starts_with("sid=; "));
    let answer = ask(proxy.address, &get("/", &[ALPHA])).await;
    assert_eq!(answer.header("login-timeout-reason"), Some("revoked"));
}

#[tokio::test]
async fn the_440_removes_the_cookie() {
    let proxy = proxy(website::start().await, &["--idle", "20m"]);
    let answer = ask(proxy.address, &get("/", &[FORGED])).await;
    assert_eq!(answer.status(), 440);
    let removal = "sid=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(answer.all("set-cookie"), [removal]);
}

#[tokio::test]
async fn the_440_removes_the_cookie_where_the_application_set_it() {
    let options = ["--cookie-path", "/app", "--cookie-domain", "example.com"];
    let proxy = proxy(website::start().await, &options);
    let answer = ask(proxy.address, &get("/", &[FORGED])).await;
    let removal = answer.header("set-cookie").unwrap();
    assert!(removal.contains("; Path=/app;"), "{removal}");
    assert!(removal.contains("; Domain=example.com;"), "{removal}");
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_whatever_polls() {
    let options = [
        "--idle",
        "1s",
        "--passive-path",
        "/poll",
        "--passive-path",
        "/ping",
    ];
    let proxy = proxy(website::start().await, &options);
    log_in(proxy.address).await;
    let answer = asked_until_440(proxy.address, "/poll/mail").await;
    assert_eq!(answer.header("login-timeout-reason"), Some("idle"));
    log_in(proxy.address).await;
    asked_until_440(proxy.address, "/ping").await;
}

#[tokio::test]
async fn a_session_ends_when_it_is_old_however_active() {
    let proxy = proxy(
        website::start().await,
        &["--idle", "20m", "--absolute", "1s"],
    );
    log_in(proxy.address).await;
    let answer = asked_until_440(proxy.address, "/").await;
    assert_eq!(answer.header("login-timeout-reason"), Some("absolute"));
}

#[tokio::test]
async fn unknown_ids_begin_a_session_where_that_is_asked_for() {
    let proxy = proxy(
        website::start().await,
        &["--idle", "20m", "--unknown", "begin"],
    );
    assert_eq!(ask(proxy.address, &get("/", &[FORGED])).await.body, "hello");
}

#[tokio::test]
async fn exempt_paths_pass_and_no_others() {
    let options = [
        "--idle",
        "20m",
        "--exempt-path",
        "/static",
        "--exempt-path",
        "/login",
    ];
    let proxy = proxy(website::start().await, &options);
    for path in ["/static", "/static/site.css"] {
        assert_eq!(
            ask(proxy.address, &get(path, &[FORGED])).await.body,
            "hello",
            "{path}"
        );
    }
    let log_in = request("POST", "/login", &[FORGED], "name=Ada");
    assert_eq!(ask(proxy.address, &log_in).await.body, "welcome");
    for path in ["/", "/statics", "/static/../members"] {
        assert_eq!(
            ask(proxy.address, &get(path, &[FORGED])).await.status(),
            440,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_answer_has_the_format_that_is_asked_for() {
    let website = website::start().await;
    for (format, content_type) in [
        ("negotiated", "application/json"),
        ("html", "text/html; charset=utf-8"),
        ("json", "application/json"),
        ("problem", "application/problem+json"),
        ("text", "text/plain; charset=utf-8"),
    ] {
        let proxy = proxy(website, &["--format", format]);
        let answer = ask(
            proxy.address,
            &get("/", &[FORGED, "accept: application/json"]),
        )
        .await;
        assert_eq!(answer.status(), 440);
        assert_eq!(answer.header("content-type"), Some(content_type));
    }
}

#[tokio::test]
async fn navigations_are_sent_to_the_login_page_and_scripts_are_not() {
    let proxy = proxy(website::start().await, &["--login-page", "/login"]);
    let navigation = get("/mail?folder=7", &[FORGED, "sec-fetch-mode: navigate"]);
    let answer = ask(proxy.address, &navigation).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(
        answer.header("location"),
        Some("/login?returnUrl=/mail%3Ffolder%3D7")
    );
    assert!(answer.header("set-cookie").unwrap().starts_with("sid=; "));
    let script = get("/mail", &[FORGED, "sec-fetch-mode: cors"]);
    assert_eq!(ask(proxy.address, &script).await.status(), 440);
}

#[tokio::test]
async fn live_responses_say_how_much_time_is_left_only_where_that_is_asked_for() {
    let website = website::start().await;
    for (option, is_said) in [(&["--remaining-header"][..], true), (&[], false)] {
        let proxy = proxy(website, &[&["--idle", "20m"], option].concat());
        log_in(proxy.address).await;
        let answer = ask(proxy.address, &get("/", &[ALPHA])).await;
        let remaining = answer.header("login-timeout-remaining");
        let seconds = remaining.map(|seconds| seconds.parse::<u32>().unwrap());
        // The test itself takes time.
        assert_eq!(
            seconds.is_some_and(|left| (1100..=1200).contains(&left)),
            is_said,
            "{answer:?}"
        );
        assert_eq!(remaining.is_some(), is_said);
    }
}
