//! Tests of the address for monitoring: metrics, and whether the store is up.

use std::net::SocketAddr;

use crate::common::http1::{ask, get, request};
use crate::common::website;
use crate::proxy;

const ALPHA: &str = "cookie: sid=alpha";

/// Returns the value of this time series.
async fn value(monitoring: SocketAddr, series: &str) -> u64 {
    let metrics = ask(monitoring, &get("/metrics", &[])).await;
    assert_eq!(metrics.status(), 200);
    let mut lines = metrics.body.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in {}", metrics.body))
}

#[tokio::test]
async fn metrics_say_what_became_of_requests_and_sessions() {
    let proxy = proxy(website::start().await, &["--metrics", "127.0.0.1:0"]);
    let monitoring = proxy.line("metrics on ").parse().unwrap();
    let live = r#"login_timeout_requests_total{outcome="live"}"#;
    assert_eq!(value(monitoring, live).await, 0);

    ask(proxy.address, &request("POST", "/login", &[], "")).await;
    ask(proxy.address, &get("/", &[ALPHA])).await;
    ask(proxy.address, &request("POST", "/logout", &[ALPHA], "")).await;
    ask(proxy.address, &get("/", &[ALPHA])).await;
    for (series, expected) in [
        (live, 2),
        (r#"login_timeout_requests_total{outcome="anonymous"}"#, 1),
        (r#"login_timeout_requests_total{outcome="revoked"}"#, 1),
        (r#"login_timeout_sessions_total{event="began"}"#, 1),
        (r#"login_timeout_sessions_total{event="ended"}"#, 1),
        (r#"login_timeout_store_errors_total{kind="timeout"}"#, 0),
    ] {
        assert_eq!(value(monitoring, series).await, expected, "{series}");
    }
}

#[tokio::test]
async fn the_address_for_monitoring_says_that_the_store_is_up_and_nothing_of_the_site() {
    let proxy = proxy(website::start().await, &["--metrics", "127.0.0.1:0"]);
    let monitoring = proxy.line("metrics on ").parse().unwrap();
    assert_eq!(ask(monitoring, &get("/-/ready", &[])).await.status(), 200);
    assert_eq!(ask(monitoring, &get("/", &[])).await.status(), 404);
    let answer = ask(proxy.address, &get("/metrics", &[])).await;
    assert_eq!(answer.body, "hello");
}

#[cfg(all(unix, feature = "redis"))]
#[tokio::test]
async fn a_store_that_is_down_makes_the_proxy_unready_and_is_counted() {
    use crate::common::redis::{one, url};

    let mut redis = one();
    for cached in [&[][..], &["--cached"]] {
        let store = url(&redis);
        let options = ["--metrics", "127.0.0.1:0", "--store", &store];
        let proxy = proxy(website::start().await, &[&options[..], cached].concat());
        let monitoring = proxy.line("metrics on ").parse().unwrap();
        assert_eq!(ask(monitoring, &get("/-/ready", &[])).await.status(), 200);

        redis.kill();
        assert_eq!(ask(monitoring, &get("/-/ready", &[])).await.status(), 503);
        let answer = ask(proxy.address, &get("/", &[ALPHA])).await;
        assert_eq!(answer.status(), 503);
        let unavailable = r#"login_timeout_requests_total{outcome="unavailable"}"#;
        assert_eq!(value(monitoring, unavailable).await, 1);
        let errors = [
            r#"login_timeout_store_errors_total{kind="timeout"}"#,
            r#"login_timeout_store_errors_total{kind="failure"}"#,
        ];
        let [timeouts, failures] = errors.map(|series| value(monitoring, series));
        assert_eq!(timeouts.await + failures.await, 1);
        assert_eq!(
            proxy.error_line("lost the connection to "),
            "redis, and tries again"
        );
        let cause = proxy.error_line("the session activity store ");
        assert!(cause.contains(": "), "it names no cause: {cause}");
        redis.restart();
        let again = proxy.error_line("connected to redis again after ");
        assert!(again.ends_with(" s"), "{again}");
    }
}
