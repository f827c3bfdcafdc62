//! Tests of the events that observers are told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use tower_login_timeout::{
    ActivityStore, Cause, Event, Limits, Observe, SessionKey, StoreFailure, rule,
};

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{IDLE, MILLISECOND, Site, anonymous, policy, poll_times, request};

const ID: &str = "an-id-that-nobody-should-see";
const NEW_ID: &str = "another-id-that-nobody-should-see";

/// Writes each event as one line, and as its `Debug` shows it.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    shown: Arc<Mutex<String>>,
}

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    fn note(&self, event: &Event<'_>) {
        self.shown.lock().unwrap().push_str(&format!("{event:?}\n"));
        self.lines.lock().unwrap().push(line(event));
    }
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::Began { session, cause, .. } => format!("{session} began by {}", cause.as_str()),
        Event::Rotated {
            from, to, cause, ..
        } => format!("{from} became {to} by {}", cause.as_str()),
        Event::Ended { session, cause, .. } => format!("{session} ended by {}", cause.as_str()),
        Event::Refused {
            session,
            expired,
            path,
            ..
        } => {
            let session = session.map_or("none".to_owned(), |session| session.to_string());
            format!("{session} refused at {path}: {}", expired.reason())
        }
        Event::StoreFailed {
            operation,
            cause,
            error,
            ..
        } => {
            let late = if error.is_timeout() { "late" } else { "failed" };
            format!("{} {late} for {}", operation.as_str(), cause.as_str())
        }
        Event::Request { outcome, .. } => format!("request: {}", outcome.as_str()),
        other => panic!("{other:?}"),
    }
}

/// An observer of requests as well.
struct OfRequests(Log);

impl Observe for OfRequests {
    fn observe(&self, event: &Event<'_>) {
        self.0.note(event);
    }

    fn wants_requests(&self) -> bool {
        true
    }
}

fn observed<St: ActivityStore>(site: Site<St>) -> (Site<St>, Log) {
    let log = Log::default();
    let noted = log.clone();
    let site =
        site.configured(|layer| layer.with_observer(move |event: &Event<'_>| noted.note(event)));
    (site, log)
}

fn prefix(id: &str) -> String {
    let key = SessionKey::of(id).to_bytes();
    key[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn log_in(id: &str) -> String {
    format!("sid={id}; HttpOnly")
}

const LOG_OUT: &str = "sid=; Max-Age=0";

#[tokio::test]
async fn a_session_of_a_cookie_begins_rotates_and_ends_once() {
    let (site, log) = observed(Site::new(policy()));
    let site = site.configured(|layer| layer.with_exempt(rule::path("/logout")));
    let (old, new) = (prefix(ID), prefix(NEW_ID));

    site.setting(anonymous("/login"), &[&log_in(ID)]).await;
    assert_eq!(log.take(), [format!("{old} began by response")]);

    // The same id again is no other session.
    site.clock.advance(MILLISECOND);
    site.setting(anonymous("/login"), &[&log_in(ID)]).await;
    site.setting(request("/", ID), &[&log_in(ID)]).await;
    site.ask("/", ID).await;
    assert_eq!(log.take(), [""; 0]);

    for _ in 0..2 {
        site.setting(request("/renew", ID), &[&log_in(NEW_ID)])
            .await;
    }
    let rotated = format!("{old} became {new} by response");
    assert_eq!(log.take(), [rotated]);

    // The log-out ends the session under both ids. It is reported once, as is one that is repeated.
    let both = Request::get("/logout").header("cookie", format!("sid={NEW_ID}; sid={ID}"));
    let both = both.body(String::new()).unwrap();
    for _ in 0..2 {
        site.setting(both.clone(), &[LOG_OUT]).await;
    }
    assert_eq!(log.take(), [format!("{new} ended by response")]);
}

#[tokio::test]
async fn a_trackers_log_in_and_log_out_are_reported_once() {
    let (site, log) = observed(Site::new(policy()));
    let tracker = site.layer.tracker();
    tracker.start(ID).await.unwrap();
    tracker.set_limits(ID, Limits::default()).await.unwrap();
    tracker.touch(ID).await.unwrap();
    tracker.check(ID).await.unwrap();
    tracker.revoke(ID).await.unwrap();
    tracker.revoke(ID).await.unwrap();
    tracker.revoke("unknown").await.unwrap();
    let session = prefix(ID);
    let expected = [
        format!("{session} began by tracker"),
        format!("{session} ended by tracker"),
    ];
    assert_eq!(log.take(), expected);
}

#[tokio::test]
async fn an_unknown_id_that_begins_a_session_is_reported_once() {
    let (site, log) = observed(Site::new(policy().begin_unknown()));
    for _ in 0..3 {
        assert_eq!(site.status(ID).await, 200);
    }
    assert_eq!(log.take(), [format!("{} began by request", prefix(ID))]);
}

#[tokio::test]
async fn a_refused_request_is_reported_with_its_reason_and_without_its_query() {
    let (site, log) = observed(Site::new(policy()));
    let (known, unknown) = (prefix(ID), prefix("unknown"));
    site.start(ID).await;
    site.clock.advance(IDLE);
    site.ask("/members?secret=1", ID).await;
    site.ask("/members?secret=1", "unknown").await;
    site.layer.tracker().revoke(ID).await.unwrap();
    site.ask("/", ID).await;
    let expected = [
        format!("{known} began by tracker"),
        format!("{known} refused at /members: idle"),
        format!("{unknown} refused at /members: unknown"),
        format!("{known} ended by tracker"),
        format!("{known} refused at /: revoked"),
    ];
    assert_eq!(log.take(), expected);
    assert!(!log.shown.lock().unwrap().contains("secret"));
}

#[tokio::test]
async fn a_request_with_two_live_sessions_is_reported_as_conflicting() {
    let (site, log) = observed(Site::new(policy()));
    site.start(ID).await;
    site.start(NEW_ID).await;
    log.take();
    let both = Request::get("/").header("cookie", format!("sid={ID}; sid={NEW_ID}"));
    site.send(both.body(String::new()).unwrap()).await;
    assert_eq!(log.take(), ["none refused at /: conflicting"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_is_reported_with_what_could_not_be_done() {
    let cases = [
        (Operation::Touch, request("/", ID), None, "check", "request"),
        (
            Operation::Begin,
            anonymous("/"),
            Some(log_in(NEW_ID)),
            "login",
            "response",
        ),
        (
            Operation::Load,
            request("/", ID),
            Some(log_in(NEW_ID)),
            "login",
            "response",
        ),
        (
            Operation::Revoke,
            request("/", ID),
            Some(LOG_OUT.to_owned()),
            "logout",
            "response",
        ),
    ];
    for (operation, request, cookie, expected, cause) in cases {
        for (fault, how) in [(Fault::Fails, "failed"), (Fault::Hangs, "late")] {
            let store = ScriptedStore::default();
            let (site, log) = observed(Site::with_store(policy(), store.clone()));
            site.start(ID).await;
            log.take();
            store.set(operation, fault);
            let cookies: Vec<_> = cookie.iter().map(String::as_str).collect();
            site.setting(request.clone(), &cookies).await;
            assert_eq!(log.take(), [format!("{expected} {how} for {cause}")]);
        }
    }
}

#[tokio::test]
async fn activity_that_cannot_be_recorded_is_reported() {
    let store = ScriptedStore::default();
    let (site, log) = observed(Site::with_store(policy(), store.clone()));
    site.start(ID).await;
    log.take();
    let (clock, broken) = (site.clock.clone(), store.clone());
    site.send_to(request("/", ID), move |_| {
        clock.advance(IDLE / 2);
        broken.set(Operation::Touch, Fault::Fails);
        async {
            tokio::task::yield_now().await;
            http::Response::new(String::new())
        }
    })
    .await;
    assert_eq!(log.take(), ["activity failed for response"]);
}

#[tokio::test]
async fn a_store_that_fails_a_tracker_is_reported() {
    let store = ScriptedStore::default();
    let (site, log) = observed(Site::with_store(policy(), store.clone()));
    store.set_all(Fault::Fails);
    let tracker = site.layer.tracker();
    assert!(tracker.start(ID).await.is_err());
    assert!(tracker.check(ID).await.is_err());
    assert!(tracker.touch(ID).await.is_err());
    assert!(tracker.set_limits(ID, Limits::default()).await.is_err());
    assert!(tracker.revoke(ID).await.is_err());
    let expected = ["login", "check", "activity", "check", "logout"]
        .map(|operation| format!("{operation} failed for {}", Cause::Tracker.as_str()));
    assert_eq!(log.take(), expected);
}

#[tokio::test]
async fn a_log_out_whose_client_hung_up_is_reported() {
    let store = ScriptedStore::default();
    let (site, log) = observed(Site::with_store(policy(), store.clone()));
    site.start(ID).await;
    log.take();
    let gate = Arc::new(tokio::sync::Notify::new());
    store.set(Operation::Revoke, Fault::Waits(Arc::clone(&gate)));
    let hung_up = poll_times(site.setting(request("/logout", ID), &[LOG_OUT]), 3).await;
    assert!(hung_up.is_none());
    gate.notify_one();
    for _ in 0..9 {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.take(), [format!("{} ended by response", prefix(ID))]);
}

#[tokio::test(start_paused = true)]
async fn a_log_out_that_fails_after_its_client_hung_up_is_reported() {
    let limit = Duration::from_millis(250);
    let store = ScriptedStore::default();
    let site = Site::with_store(policy().with_store_timeout(limit), store.clone());
    let (site, log) = observed(site);
    site.start(ID).await;
    log.take();
    store.set(Operation::Revoke, Fault::Hangs);
    let hung_up = poll_times(site.setting(request("/logout", ID), &[LOG_OUT]), 3).await;
    assert!(hung_up.is_none());
    assert_eq!(log.take(), [""; 0]);
    tokio::time::sleep(limit * 2).await;
    assert_eq!(log.take(), ["logout late for response"]);
}

#[tokio::test]
async fn each_request_is_reported_once_to_those_who_want_requests() {
    let store = ScriptedStore::default();
    for (store_failure, unchecked) in [
        (StoreFailure::Reject, "request: unavailable"),
        (StoreFailure::Allow, "request: unchecked"),
    ] {
        let policy = policy().with_store_failure(store_failure);
        let (site, quiet) = observed(Site::with_store(policy, store.clone()));
        let log = Log::default();
        let noted = log.clone();
        let site = site.configured(|layer| {
            let layer = layer.with_exempt(rule::path("/static"));
            layer.with_observer(OfRequests(noted))
        });
        site.start(ID).await;
        site.ask("/", ID).await;
        site.ask("/static", ID).await;
        site.send(anonymous("/")).await;
        site.ask("/", "unknown").await;
        store.set(Operation::Touch, Fault::Fails);
        site.ask("/", ID).await;
        store.heal();
        let requests: Vec<_> = log.take();
        let requests: Vec<_> = requests
            .iter()
            .filter(|line| line.starts_with("request"))
            .collect();
        let expected = [
            "request: live",
            "request: exempt",
            "request: anonymous",
            "request: unknown",
            unchecked,
        ];
        assert_eq!(requests, expected);
        let quiet = quiet.take();
        assert!(
            !quiet.iter().any(|line| line.starts_with("request")),
            "{quiet:?}"
        );
    }
}

#[tokio::test]
async fn every_observer_is_told() {
    let (site, first) = observed(Site::new(policy()));
    let (site, second) = observed(site);
    site.start(ID).await;
    assert_eq!(first.take(), second.take());
}

#[tokio::test]
async fn no_event_shows_an_id_or_a_whole_key() {
    let (site, _) = observed(Site::new(policy()));
    let log = Log::default();
    let noted = log.clone();
    let site = site.configured(|layer| layer.with_observer(OfRequests(noted)));
    site.setting(anonymous("/login"), &[&log_in(ID)]).await;
    site.setting(request("/renew", ID), &[&log_in(NEW_ID)])
        .await;
    site.setting(request("/logout", NEW_ID), &[LOG_OUT]).await;
    site.ask("/", ID).await;
    site.ask("/", NEW_ID).await;
    let shown = log.shown.lock().unwrap().clone();
    for id in [ID, NEW_ID] {
        let key = blake3::hash(id.as_bytes()).to_hex();
        assert!(shown.contains(&key[..8]), "{shown}");
        for secret in [id, &key[..9], &key[8..16]] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
