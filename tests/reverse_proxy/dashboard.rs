//! Tests of the dashboard and the alert rules: each of their queries finds what the proxy serves.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::http1::{ask, get, request};
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
        let (name, rest) = selector.split_once('{').unwrap();
        let (matcher, _) = rest.split_once('}').unwrap();
        let (label, values) = matcher.split_once('=').unwrap();
        let values = values.trim_start_matches('~').trim_matches('"');
        let of = |value| format!("login_timeout_{name}{{{label}=\"{value}\"}}");
        values.split('|').map(of).collect::<Vec<_>>()
    });
    series.collect()
}

/// Returns the name of a time series. Of a histogram, this is the name of all its bounds, without
/// the store, and nothing for its sum and its count.
fn without_bound(series: &str) -> Option<String> {
    if !series.starts_with("login_timeout_store_seconds") {
        return Some(series.to_owned());
    }
    let (name, labels) = series.trim_end_matches('}').split_once('{')?;
    let operation = labels
        .split(',')
        .find(|label| label.starts_with("operation="))?;
    name.ends_with("_bucket")
        .then(|| format!("{name}{{{operation}}}"))
}

#[tokio::test]
async fn each_query_finds_what_the_proxy_serves() {
    let proxy = proxy(website::start().await, &["--metrics", "127.0.0.1:0"]);
    let monitoring = proxy.line("metrics on ").parse().unwrap();
    // Each operation of the store that the dashboard shows is measured once.
    ask(proxy.address, &request("POST", "/login", &[], "")).await;
    ask(proxy.address, &get("/", &[ALPHA])).await;
    ask(proxy.address, &request("POST", "/logout", &[ALPHA], "")).await;
    let metrics = ask(monitoring, &get("/metrics", &[])).await;
    let lines = metrics.body.lines();
    let samples = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let served: BTreeSet<String> = samples
        .filter_map(|sample| without_bound(sample.rsplit_once(' ').unwrap().0))
        .collect();

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
