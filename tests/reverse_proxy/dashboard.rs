//! Tests of the dashboard and the alert rules: each of their queries finds what the proxy serves.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::http1::{ask, get, request};
use crate::common::servers::Folder;
use crate::common::website;
use crate::proxy;

const DASHBOARD: &str = include_str!("../../examples/reverse_proxy/dashboard.json");
const ALERTS: &str = include_str!("../../examples/reverse_proxy/alerts.yml");
const OPERATIONS: &str = include_str!("../../docs/operations.md");

const ALPHA: &str = "cookie: sid=alpha";

/// Returns the queries of the dashboard.
fn of_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    queries.collect()
}

/// Returns the queries of the alert rules.
fn of_alerts() -> Vec<String> {
    let lines = ALERTS.lines().map(str::trim);
    let queries = lines.filter_map(|line| line.strip_prefix("expr: "));
    queries.map(str::to_owned).collect()
}

/// Returns every time series that a query names: `name{label="a"}` and `name{label="b"}` for
/// `name{label=~"a|b"}`.
fn series(query: &str) -> Vec<String> {
    let selectors = query.split("login_timeout_").skip(1);
    let series = selectors.flat_map(|selector| {
        let end = selector.find(|char: char| !char.is_ascii_lowercase() && char != '_');
        let (name, rest) = selector.split_at(end.unwrap_or(selector.len()));
        let Some(rest) = rest.strip_prefix('{') else {
            return vec![format!("login_timeout_{name}")];
        };
        let (matcher, _) = rest.split_once('}').unwrap();
        let (label, values) = matcher.split_once('=').unwrap();
        let values = values.trim_start_matches('~').trim_matches('"');
        let of = |value| format!("login_timeout_{name}{{{label}=\"{value}\"}}");
        values.split('|').map(of).collect::<Vec<_>>()
    });
    series.collect()
}

/// Returns the time series that the proxy serves at this address.
///
/// Which store and which operations there are depends on the test, so such a series is returned as
/// its name. A histogram is its bounds, without its sum and its count.
async fn served_at(monitoring: SocketAddr) -> BTreeSet<String> {
    let metrics = ask(monitoring, &get("/metrics", &[])).await;
    let lines = metrics.body.lines();
    let samples = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let series = samples.filter_map(|sample| {
        let series = sample.rsplit_once(' ').unwrap().0;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        match name {
            "login_timeout_store_seconds_sum" | "login_timeout_store_seconds_count" => None,
            "login_timeout_store_up" => {
                assert!(sample.ends_with(" 1"), "{sample}");
                Some(name.to_owned())
            }
            _ if labels.contains("store=") => Some(name.to_owned()),
            _ => Some(series.to_owned()),
        }
    });
    series.collect()
}

/// Returns the time series that the proxy serves with these options, after a visit.
async fn served_with(options: &[&str]) -> BTreeSet<String> {
    let options = [&["--metrics", "127.0.0.1:0"], options].concat();
    let proxy = proxy(website::start().await, &options);
    let monitoring = proxy.line("metrics on ").parse().unwrap();
    ask(proxy.address, &request("POST", "/login", &[], "")).await;
    ask(proxy.address, &get("/", &[ALPHA])).await;
    ask(proxy.address, &request("POST", "/logout", &[ALPHA], "")).await;
    let began = Instant::now();
    loop {
        let served = served_at(monitoring).await;
        // A near cache reports with its first flush.
        let sessions = ["cache", "memory"].map(|store| format!("login_timeout_{store}_sessions"));
        if sessions.iter().any(|sessions| served.contains(sessions)) {
            return served;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{served:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn each_query_finds_what_the_proxy_serves() {
    let folder = Folder::new("dashboard");
    let sqlite = format!("sqlite:{}/sessions.db", folder.path().display());
    let mut served = served_with(&["--store", &sqlite, "--cached"]).await;
    served.extend(served_with(&["--store", "memory"]).await);

    for query in [of_dashboard(), of_alerts()].concat() {
        let named = series(&query);
        assert!(!named.is_empty(), "{query}");
        for series in named {
            assert!(
                served.contains(&series),
                "{query}: no {series} in {served:?}"
            );
        }
    }
    let shown: BTreeSet<String> = of_dashboard()
        .iter()
        .flat_map(|query| series(query))
        .collect();
    assert_eq!(shown, served, "the dashboard shows all that is served");
}

#[test]
fn the_operators_manual_says_what_to_do_about_each_alert() {
    let alerts = ALERTS.lines().map(str::trim);
    let alerts: Vec<_> = alerts
        .filter_map(|line| line.strip_prefix("- alert: "))
        .collect();
    assert_eq!(alerts.len(), of_alerts().len());
    for alert in alerts {
        assert!(OPERATIONS.contains(&format!("`{alert}`")), "{alert}");
    }
}
