//! Tests of the layer in front of a store that fails or hangs.

use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tower_login_timeout::{StoreFailure, rule};

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{
    IDLE, MILLISECOND, Site, anonymous, policy, poll_times, reason, request,
};

const STORE_TIMEOUT: Duration = Duration::from_millis(250);

/// A request that needs this operation.
struct Need {
    operation: Operation,
    request: fn() -> Request<String>,
    cookie: Option<&'static str>,
}

const NEEDS: [Need; 8] = [
    Need {
        operation: Operation::Touch,
        request: || request("/", "a"),
        cookie: None,
    },
    Need {
        operation: Operation::Touch,
        request: || request("/poll", "a"),
        cookie: None,
    },
    Need {
        operation: Operation::Begin,
        request: || request("/", "unknown"),
        cookie: None,
    },
    Need {
        operation: Operation::Begin,
        request: || anonymous("/"),
        cookie: Some("sid=b"),
    },
    Need {
        operation: Operation::Change,
        request: || request("/", "a"),
        cookie: Some("sid=b"),
    },
    Need {
        operation: Operation::Load,
        request: || request("/", "a"),
        cookie: Some("sid=b"),
    },
    Need {
        operation: Operation::Begin,
        request: || request("/", "a"),
        cookie: Some("sid=b"),
    },
    Need {
        operation: Operation::Revoke,
        request: || request("/", "a"),
        cookie: Some("sid=; Max-Age=0"),
    },
];

async fn site(store: &ScriptedStore, store_failure: StoreFailure) -> Site<ScriptedStore> {
    let policy = policy()
        .begin_unknown()
        .with_store_failure(store_failure)
        .with_store_timeout(STORE_TIMEOUT);
    let site = Site::with_store(policy, store.clone());
    let site = site.configured(|layer| layer.with_passive(rule::path("/poll")));
    site.start("a").await;
    site
}

async fn send(site: &Site<ScriptedStore>, need: &Need) -> Response<String> {
    let cookies: Vec<&str> = need.cookie.into_iter().collect();
    site.setting((need.request)(), &cookies).await
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_is_answered_503_within_the_store_timeout() {
    for fault in [Fault::Fails, Fault::Hangs] {
        for need in &NEEDS {
            let store = ScriptedStore::default();
            let site = site(&store, StoreFailure::Reject).await;
            store.set(need.operation, fault.clone());
            let asked = Instant::now();
            let response = send(&site, need).await;
            assert_eq!(response.status(), 503, "{:?}", need.operation);
            assert_eq!(response.headers()["retry-after"], "1");
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(
                asked.elapsed() <= STORE_TIMEOUT + MILLISECOND,
                "{:?}",
                need.operation
            );
            store.heal();
            assert_eq!(site.status("a").await, 200, "{:?}", need.operation);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_lets_requests_pass_where_so_configured() {
    for fault in [Fault::Fails, Fault::Hangs] {
        for need in &NEEDS {
            let store = ScriptedStore::default();
            let site = site(&store, StoreFailure::Allow).await;
            store.set(need.operation, fault.clone());
            let asked = Instant::now();
            let response = send(&site, need).await;
            assert_eq!(response.status(), 200, "{:?}", need.operation);
            let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
            assert_eq!(cookies, need.cookie.as_slice(), "{:?}", need.operation);
            assert!(
                asked.elapsed() <= STORE_TIMEOUT + MILLISECOND,
                "{:?}",
                need.operation
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn late_activity_that_cannot_be_recorded_is_no_error() {
    for store_failure in [StoreFailure::Reject, StoreFailure::Allow] {
        for fault in [Fault::Fails, Fault::Hangs] {
            let store = ScriptedStore::default();
            let site = site(&store, store_failure).await;
            let (clock, broken) = (site.clock.clone(), store.clone());
            let asked = Instant::now();
            let response = site
                .send_to(request("/", "a"), move |_| {
                    clock.advance(IDLE / 2);
                    broken.set(Operation::Touch, fault.clone());
                    async { Response::new("slow".to_owned()) }
                })
                .await;
            assert_eq!(
                (response.status().as_u16(), response.body().as_str()),
                (200, "slow")
            );
            assert!(asked.elapsed() <= STORE_TIMEOUT + MILLISECOND);
        }
    }
}

#[tokio::test]
async fn a_failing_store_is_never_taken_for_an_unknown_session() {
    let store = ScriptedStore::default();
    let site = site(&store, StoreFailure::Reject).await;
    store.set(Operation::Touch, Fault::Fails);
    let response = site.ask("/", "a").await;
    assert_eq!(reason(&response), "");
    assert!(
        !response.headers().contains_key("set-cookie"),
        "the client keeps its id"
    );
}

#[tokio::test]
async fn a_log_out_that_could_not_be_recorded_still_takes_the_cookie_away() {
    let store = ScriptedStore::default();
    let site = site(&store, StoreFailure::Reject).await;
    store.set(Operation::Revoke, Fault::Fails);
    let response = site
        .setting(request("/logout", "a"), &["sid=; Max-Age=0"])
        .await;
    assert_eq!(response.status(), 503);
    assert!(
        response.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("sid=;")
    );
}

#[tokio::test]
async fn a_request_without_an_id_does_not_depend_on_the_store() {
    let store = ScriptedStore::default();
    let site = site(&store, StoreFailure::Reject).await;
    store.calls();
    assert_eq!(site.send(anonymous("/")).await.status(), 200);
    assert_eq!(store.calls(), []);
}

#[tokio::test]
async fn a_tracker_reports_what_the_store_said() {
    let store = ScriptedStore::default();
    let site = site(&store, StoreFailure::Reject).await;
    store.set(Operation::Touch, Fault::Fails);
    let error = site.layer.tracker().touch("a").await.unwrap_err();
    assert!(!error.is_timeout());
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "the server is down");
}

#[tokio::test(start_paused = true)]
async fn a_tracker_does_not_wait_for_longer_than_the_store_timeout() {
    let store = ScriptedStore::default();
    let site = site(&store, StoreFailure::Reject).await;
    store.set(Operation::Revoke, Fault::Hangs);
    let error = site.layer.tracker().revoke("a").await.unwrap_err();
    assert!(error.is_timeout());
    assert!(error.to_string().contains("250ms"), "{error}");
}

/// A live request leaves no task behind. A log-out whose client hangs up leaves one, and for no
/// longer than the store may take.
#[tokio::test(start_paused = true)]
async fn no_task_outlives_the_time_that_the_store_may_take() {
    const CLIENTS: usize = 1_000;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let store = ScriptedStore::default();
    let site = Site::with_store(policy().with_store_timeout(STORE_TIMEOUT), store.clone());
    for client in 0..CLIENTS {
        let id = format!("id-{client}");
        site.start(&id).await;
        assert_eq!(site.status(&id).await, 200);
    }
    assert_eq!(tasks(), 0);

    store.set(Operation::Touch, Fault::Hangs);
    for client in 0..CLIENTS {
        let id = format!("id-{client}");
        assert!(poll_times(site.status(&id), 2).await.is_none());
    }
    assert_eq!(tasks(), 0, "a check ends with its request");

    store.heal();
    store.set(Operation::Revoke, Fault::Hangs);
    for client in 0..CLIENTS {
        let id = format!("id-{client}");
        let log_out = site.setting(request("/logout", &id), &["sid=; Max-Age=0"]);
        assert!(poll_times(log_out, 2).await.is_none());
    }
    assert_eq!(tasks(), CLIENTS);
    tokio::time::sleep(STORE_TIMEOUT + MILLISECOND).await;
    assert_eq!(tasks(), 0);
}
