//! Tests of the counters in the crate `metrics`: their names, their labels, and what they count.

mod common;

use std::collections::BTreeMap;

use common::scripted::{Fault, Operation, ScriptedStore};
use common::site::{IDLE, Site, anonymous, policy, request};
use http::Request;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower_login_timeout::{
    Activity, ActivityStore, MemoryStore, MetricsObserver, Policy, SessionKey, TimedStore,
    Timestamp, rule,
};

/// Returns every counter that is not zero as `name{label="value"}`, with its value.
fn counted(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let counters = snapshotter.snapshot().into_vec().into_iter();
    let counters = counters.map(|(key, unit, description, value)| {
        let (_, key) = key.into_parts();
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={:?}", label.key(), label.value()))
            .collect();
        let DebugValue::Counter(value) = value else {
            panic!("{key} is no counter");
        };
        assert!(unit.is_none() && description.is_some(), "{key}");
        (format!("{}{{{}}}", key.name(), labels.join(",")), value)
    });
    counters.filter(|(_, value)| *value > 0).collect()
}

fn expected(counters: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let counters = counters.iter();
    counters
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

#[tokio::test]
async fn requests_sessions_and_store_errors_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);

    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone()).configured(|layer| {
        layer
            .with_exempt(rule::path("/static"))
            .with_observer(MetricsObserver::new())
    });
    site.setting(anonymous("/login"), &["sid=a"]).await;
    for _ in 0..2 {
        site.ask("/", "a").await;
    }
    site.ask("/static", "a").await;
    site.ask("/", "unknown").await;
    site.setting(request("/renew", "a"), &["sid=b"]).await;
    site.setting(request("/logout", "b"), &["sid=; Max-Age=0"])
        .await;
    site.ask("/", "b").await;

    for id in ["c", "d"] {
        site.start(id).await;
    }
    let both = Request::get("/").header("cookie", "sid=c; sid=d");
    site.send(both.body(String::new()).unwrap()).await;
    site.clock.advance(IDLE);
    site.ask("/", "c").await;
    site.clock.advance(IDLE);
    site.ask("/", "c").await;
    store.set(Operation::Touch, Fault::Fails);
    site.ask("/", "d").await;

    let expected = expected(&[
        (r#"login_timeout_requests_total{outcome="anonymous"}"#, 1),
        (r#"login_timeout_requests_total{outcome="conflicting"}"#, 1),
        (r#"login_timeout_requests_total{outcome="exempt"}"#, 1),
        (r#"login_timeout_requests_total{outcome="idle"}"#, 2),
        (r#"login_timeout_requests_total{outcome="live"}"#, 4),
        (r#"login_timeout_requests_total{outcome="revoked"}"#, 1),
        (r#"login_timeout_requests_total{outcome="unavailable"}"#, 1),
        (r#"login_timeout_requests_total{outcome="unknown"}"#, 1),
        (r#"login_timeout_sessions_total{event="began"}"#, 3),
        (r#"login_timeout_sessions_total{event="ended"}"#, 1),
        (r#"login_timeout_sessions_total{event="rotated"}"#, 1),
        (r#"login_timeout_store_errors_total{kind="failure"}"#, 1),
    ]);
    assert_eq!(counted(&snapshotter), expected);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_a_timeout() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);

    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone())
        .configured(|layer| layer.with_observer(MetricsObserver::new()));
    store.set(Operation::Touch, Fault::Hangs);
    site.ask("/", "a").await;

    let expected = expected(&[
        (r#"login_timeout_requests_total{outcome="unavailable"}"#, 1),
        (r#"login_timeout_store_errors_total{kind="timeout"}"#, 1),
    ]);
    assert_eq!(counted(&snapshotter), expected);
}

#[test]
fn every_counter_is_there_from_the_start_and_there_are_no_more() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, MetricsObserver::new);
    assert_eq!(snapshotter.snapshot().into_vec().len(), 28);
}

#[tokio::test]
async fn events_of_a_store_are_counted_and_its_operations_are_measured() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);

    let observer = MetricsObserver::new();
    let full = MemoryStore::builder()
        .with_capacity(1)
        .with_observer(observer);
    let store = TimedStore::new("sessions", full.build(), observer);
    let activity = Activity::began(Timestamp::UNIX_EPOCH);
    for id in ["a", "b"] {
        let created = store.create(SessionKey::of(id), activity, Timestamp::MAX);
        created.await.unwrap();
    }
    let touch = Policy::default().touch(Timestamp::UNIX_EPOCH);
    store.touch(SessionKey::of("b"), touch).await.unwrap();

    let found = snapshotter.snapshot().into_vec().into_iter();
    let found = found.filter_map(|(key, unit, _, value)| {
        let (_, key) = key.into_parts();
        match value {
            DebugValue::Counter(0) => None,
            DebugValue::Counter(count) => Some((key.to_string(), unit, count as usize)),
            DebugValue::Histogram(samples) => Some((key.to_string(), unit, samples.len())),
            DebugValue::Gauge(value) => Some((key.to_string(), unit, value.0 as usize)),
        }
    });
    let mut found: Vec<_> = found.collect();
    found.sort_unstable_by_key(|(key, ..)| key.clone());
    let evicted = "Key(login_timeout_store_events_total, [event = evicted])".to_owned();
    let seconds = |operation| {
        format!("Key(login_timeout_store_seconds, [store = sessions, operation = {operation}])")
    };
    let held = "Key(login_timeout_memory_sessions)".to_owned();
    let expected = [
        (held, None, 1),
        (evicted, None, 1),
        (seconds("create"), Some(metrics::Unit::Seconds), 2),
        (seconds("touch"), Some(metrics::Unit::Seconds), 1),
    ];
    assert_eq!(found, expected);
}
