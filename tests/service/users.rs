//! Tests of whose sessions are: log-in, rotation, lists, ends, and how many a user may have.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Request, Response};
use tokio::task::JoinSet;
use tower_login_timeout::{
    ActivityStore, Admission, LoginTimeoutLayer, ManualClock, MemoryStore, SessionHandle,
    SessionKey, SessionUser, StoreFailure, Tracker, UserStore, Users, WhenFull, rule,
};

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{ABSOLUTE, IDLE, Site, anonymous, policy, reason, request};

const SECRET: &str = "a secret of 16 bytes or more";
const MINUTE: Duration = Duration::from_secs(60);

fn users() -> Users {
    Users::new(SECRET).unwrap()
}

fn site() -> Site {
    behind(MemoryStore::new(), users())
}

fn behind<St: UserStore>(store: St, users: Users) -> Site<St> {
    Site::with_store(policy(), store).configured(|layer| layer.with_users(users))
}

/// Logs somebody in by a cookie, with a request that presents what it presents.
async fn log_in<St: ActivityStore>(
    site: &Site<St>,
    request: Request<String>,
    id: &'static str,
    user: SessionUser,
) -> Response<String> {
    site.send_to(request, move |_| {
        let response = Response::builder().header("set-cookie", format!("sid={id}"));
        let response = response.extension(user.clone()).body(String::new());
        async { response.unwrap() }
    })
    .await
}

async fn keys(tracker: &Tracker, user: &str) -> BTreeSet<SessionKey> {
    let sessions = tracker.sessions_of(user).await.unwrap();
    let keys: BTreeSet<_> = sessions.iter().map(|session| session.key()).collect();
    assert_eq!(keys.len(), sessions.len(), "each session once");
    keys
}

fn ids(ids: &[&str]) -> BTreeSet<SessionKey> {
    ids.iter().map(SessionKey::of).collect()
}

#[tokio::test]
async fn a_log_in_by_a_cookie_says_whose_it_is() {
    let site = site();
    let tracker = site.layer.tracker();
    let phone = SessionUser::new("ada").with_label("phone");
    log_in(&site, anonymous("/login"), "a", phone).await;
    site.clock.advance(IDLE / 2);
    log_in(&site, anonymous("/login"), "b", "ada".into()).await;
    log_in(&site, anonymous("/login"), "c", "bob".into()).await;
    site.ask("/", "a").await;

    let sessions = tracker.sessions_of("ada").await.unwrap();
    assert_eq!(keys(&tracker, "ada").await, ids(&["a", "b"]));
    assert_eq!(keys(&tracker, "bob").await, ids(&["c"]));
    assert_eq!(keys(&tracker, "eve").await, ids(&[]));
    let phone = sessions.iter().find(|session| session.label() == "phone");
    let phone = phone.unwrap();
    assert_eq!(phone.key(), SessionKey::of("a"));
    let age = phone
        .last_activity()
        .saturating_duration_since(phone.created_at());
    assert_eq!(age, IDLE / 2);
}

#[tokio::test]
async fn a_session_that_is_over_is_in_no_list() {
    let site = site();
    let tracker = site.layer.tracker();
    for id in ["idle", "revoked", "live"] {
        assert_eq!(
            tracker.start_for("ada", id).await.unwrap(),
            Admission::Begun
        );
    }
    tracker.revoke("revoked").await.unwrap();
    site.clock.advance(IDLE / 2);
    site.ask("/", "live").await;
    site.clock.advance(IDLE / 2);
    assert_eq!(keys(&tracker, "ada").await, ids(&["live"]));
}

#[tokio::test]
async fn all_sessions_of_a_user_end_and_those_of_others_do_not() {
    let site = site();
    let tracker = site.layer.tracker();
    for id in ["a", "b", "c"] {
        let _ = tracker.start_for("ada", id).await.unwrap();
    }
    let _ = tracker.start_for("bob", "d").await.unwrap();
    assert_eq!(tracker.end_all_of("ada").await.unwrap(), 3);
    for id in ["a", "b", "c"] {
        assert_eq!(reason(&site.ask("/", id).await), "revoked");
    }
    assert_eq!(site.status("d").await, 200);
    assert_eq!(tracker.end_all_of("ada").await.unwrap(), 0);
}

#[tokio::test]
async fn all_others_end_and_this_one_goes_on() {
    let site = site();
    let tracker = site.layer.tracker();
    for id in ["a", "b", "c"] {
        let _ = tracker.start_for("ada", id).await.unwrap();
    }
    let response = site
        .send_to(request("/", "b"), |request| async move {
            let session: &SessionHandle = request.extensions().get().unwrap();
            let other_tracker = session.clone();
            Response::new(format!("{}", end_others(&other_tracker).await))
        })
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(keys(&tracker, "ada").await, ids(&["b"]));
}

async fn end_others(session: &SessionHandle) -> usize {
    session.end_others().await.unwrap()
}

/// The user's list has the session under its newest id, once, with its label.
#[tokio::test]
async fn a_new_id_of_a_session_belongs_to_the_same_user() {
    let store = MemoryStore::new();
    let site = behind(store.clone(), users());
    let tracker = site.layer.tracker();
    let phone = SessionUser::new("ada").with_label("phone");
    let _ = tracker.start_for(phone, "a").await.unwrap();
    let (first, _) = store.link_of(SessionKey::of("a")).await.unwrap().unwrap();
    site.setting(request("/", "a"), &["sid=b"]).await;
    assert_eq!(keys(&tracker, "ada").await, ids(&["b"]));
    let mut before = "b";
    for id in ["c", "d", "e", "f"] {
        for _ in 0..4 {
            site.clock.advance(IDLE / 2);
            assert_eq!(site.status(before).await, 200);
        }
        site.setting(request("/", before), &[&format!("sid={id}")])
            .await;
        before = id;
    }
    assert_eq!(keys(&tracker, "ada").await, ids(&["f"]));
    // The link of the newest id counts when the records of the others are gone.
    let (user, _) = store.link_of(SessionKey::of("f")).await.unwrap().unwrap();
    assert_eq!(user, first);
    let sessions = tracker.sessions_of("ada").await.unwrap();
    assert_eq!(sessions[0].label(), "phone");
    assert_eq!(tracker.end_all_of("ada").await.unwrap(), 1);
    assert_eq!(site.status("f").await, 440);
}

/// The log-in gives an anonymous visitor's session a new id, as it should (ASVS 5.0, 7.2.4).
#[tokio::test]
async fn a_session_that_was_there_before_the_log_in_belongs_to_the_user() {
    let site = site();
    let tracker = site.layer.tracker();
    site.start("visitor").await;
    log_in(&site, request("/login", "visitor"), "member", "ada".into()).await;
    assert_eq!(keys(&tracker, "ada").await, ids(&["member"]));

    // It may also keep its id, with a cookie or without one.
    site.start("kept").await;
    log_in(&site, request("/login", "kept"), "kept", "bob".into()).await;
    assert_eq!(keys(&tracker, "bob").await, ids(&["kept"]));
    site.start("silent").await;
    site.send_to(request("/login", "silent"), |_| async {
        let response = Response::builder().extension(SessionUser::new("eve"));
        response.body(String::new()).unwrap()
    })
    .await;
    assert_eq!(keys(&tracker, "eve").await, ids(&["silent"]));
    // It belongs to one user at a time.
    log_in(&site, request("/login", "kept"), "kept", "eve".into()).await;
    assert_eq!(keys(&tracker, "bob").await, ids(&[]));
    assert_eq!(keys(&tracker, "eve").await, ids(&["kept", "silent"]));
}

/// Bob leaves without a log-out, and Ada logs in with his session, which is given a new id.
#[tokio::test]
async fn a_session_that_another_user_took_over_is_in_the_list_of_that_user_alone() {
    let site = site();
    let tracker = site.layer.tracker();
    log_in(&site, anonymous("/login"), "bobs", "bob".into()).await;
    log_in(&site, request("/login", "bobs"), "adas", "ada".into()).await;
    assert_eq!(keys(&tracker, "bob").await, ids(&[]));
    assert_eq!(keys(&tracker, "ada").await, ids(&["adas"]));
    // Bob ends his sessions elsewhere.
    assert_eq!(tracker.end_all_of("bob").await.unwrap(), 0);
    assert_eq!(site.status("adas").await, 200);
}

/// A request under way presents the old id, and ends the others.
#[tokio::test]
async fn an_old_id_ends_the_others_and_not_its_own_session() {
    let site = site();
    let tracker = site.layer.tracker();
    for id in ["a", "b"] {
        let _ = tracker.start_for("ada", id).await.unwrap();
    }
    site.clock.advance(MINUTE / 2);
    for id in ["a", "b"] {
        site.ask("/", id).await;
    }
    site.clock.advance(MINUTE / 2 + MINUTE / 60);
    site.setting(request("/", "a"), &["sid=c"]).await;
    // The list takes out the link of the old id, which is more than a minute old.
    assert_eq!(keys(&tracker, "ada").await, ids(&["b", "c"]));
    assert_eq!(tracker.end_others("a").await.unwrap(), 1);
    assert_eq!(keys(&tracker, "ada").await, ids(&["c"]));
}

/// Two tabs give the session a new id at the same moment, and both ids live.
#[tokio::test]
async fn a_session_with_two_new_ids_is_one_session() {
    let users = users().with_at_most(2, WhenFull::EndOldest);
    let site = behind(MemoryStore::new(), users);
    let tracker = site.layer.tracker();
    let _ = tracker.start_for("ada", "a").await.unwrap();
    for id in ["b", "c"] {
        log_in(&site, request("/", "a"), id, "ada".into()).await;
    }
    let _ = tracker.start_for("ada", "other").await.unwrap();
    assert_eq!(tracker.sessions_of("ada").await.unwrap().len(), 2);
    for id in ["b", "c", "other"] {
        assert_eq!(site.status(id).await, 200, "{id}");
    }
    for id in ["a", "b", "c"] {
        let answer = site
            .send_to(request("/", id), |request| async move {
                let session: SessionHandle = request.extensions().get().cloned().unwrap();
                let sessions = session.sessions_of_user().await.unwrap();
                let current = sessions.iter().filter(|each| each.is_current());
                Response::new(format!("{} of {}", current.count(), sessions.len()))
            })
            .await;
        assert_eq!(answer.body(), "1 of 2", "{id}");
    }
    assert_eq!(tracker.end_others("c").await.unwrap(), 1);
    for (id, status) in [("b", 200), ("c", 200), ("other", 440)] {
        assert_eq!(site.status(id).await, status, "{id}");
    }
    assert_eq!(tracker.end_all_of("ada").await.unwrap(), 1);
    assert_eq!(site.status("b").await, 440);
    assert_eq!(site.status("c").await, 440);
}

#[tokio::test]
async fn a_handler_says_whose_a_session_is() {
    let site = site();
    site.start("a").await;
    let response = site
        .send_to(request("/", "a"), |request| async move {
            let session: SessionHandle = request.extensions().get().cloned().unwrap();
            let admission = session.belongs_to("ada").await.unwrap();
            Response::new(format!("{admission:?}"))
        })
        .await;
    assert_eq!(response.body(), "Begun");
    assert_eq!(keys(&site.layer.tracker(), "ada").await, ids(&["a"]));
}

#[tokio::test]
async fn the_oldest_session_ends_where_a_user_has_too_many() {
    let users = users().with_at_most(3, WhenFull::EndOldest);
    let site = behind(MemoryStore::new(), users);
    let tracker = site.layer.tracker();
    for id in ["a", "b", "c"] {
        log_in(&site, anonymous("/login"), id, "ada".into()).await;
        site.clock.advance(MINUTE / 4);
    }
    log_in(&site, anonymous("/login"), "d", "ada".into()).await;
    assert_eq!(keys(&tracker, "ada").await, ids(&["b", "c", "d"]));
    assert_eq!(reason(&site.ask("/", "a").await), "revoked");
    // A new id is no further session.
    site.setting(request("/", "b"), &["sid=e"]).await;
    log_in(&site, request("/login", "c"), "f", "ada".into()).await;
    assert_eq!(keys(&tracker, "ada").await, ids(&["d", "e", "f"]));
    let _ = tracker.start_for("bob", "g").await.unwrap();
    assert_eq!(keys(&tracker, "ada").await.len(), 3);
}

#[tokio::test]
async fn a_new_session_is_refused_where_a_user_has_too_many() {
    let users = users().with_at_most(2, WhenFull::RefuseNew);
    let site = behind(MemoryStore::new(), users);
    let tracker = site.layer.tracker();
    for id in ["a", "b"] {
        assert!(tracker.has_room_for("ada").await.unwrap());
        log_in(&site, anonymous("/login"), id, "ada".into()).await;
    }
    assert!(!tracker.has_room_for("ada").await.unwrap());
    assert_eq!(
        tracker.start_for("ada", "c").await.unwrap(),
        Admission::Refused
    );
    log_in(&site, anonymous("/login"), "d", "ada".into()).await;
    for id in ["c", "d"] {
        assert_eq!(reason(&site.ask("/", id).await), "unknown");
    }
    // The sessions that are there go on, under new ids too.
    log_in(&site, request("/login", "a"), "e", "ada".into()).await;
    assert_eq!(keys(&tracker, "ada").await, ids(&["b", "e"]));
    tracker.revoke("b").await.unwrap();
    assert_eq!(
        tracker.start_for("ada", "f").await.unwrap(),
        Admission::Begun
    );
    // A session that was there before its log-in ends.
    site.start("visitor").await;
    log_in(&site, request("/login", "visitor"), "g", "ada".into()).await;
    assert_eq!(keys(&tracker, "ada").await, ids(&["e", "f"]));
    assert_eq!(site.status("g").await, 440);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_ins_at_the_same_moment_do_not_get_past_the_limit() {
    for when_full in [WhenFull::EndOldest, WhenFull::RefuseNew] {
        for round in 0..50 {
            let users = users().with_at_most(3, when_full);
            let clock = ManualClock::new();
            let policy = policy().build().unwrap();
            let tracker = Tracker::with_users(policy, MemoryStore::new(), clock, users);
            let mut log_ins = JoinSet::new();
            for number in 0..8 {
                let tracker = tracker.clone();
                log_ins.spawn(async move {
                    let id = format!("{round} {number}");
                    tracker.start_for("ada", &id).await.unwrap()
                });
            }
            let admitted = log_ins.join_all().await;
            let live = keys(&tracker, "ada").await.len();
            assert!(live <= 3, "{when_full:?}: {live}");
            if when_full == WhenFull::EndOldest {
                assert_eq!(live, 3);
            } else {
                let begun = admitted.iter().filter(|each| **each == Admission::Begun);
                assert_eq!(begun.count(), live, "who was told so has a session");
            }
        }
    }
}

/// A link is written before its session begins. A list that is read in between must not remove it.
#[tokio::test]
async fn a_link_whose_session_is_on_its_way_stays() {
    let store = MemoryStore::new();
    let site = behind(store.clone(), users());
    let tracker = site.layer.tracker();
    // The process died between the two steps.
    let broken = ScriptedStore::over(store.clone());
    let dying = behind(broken.clone(), users());
    broken.set(Operation::Create, Fault::Fails);
    dying
        .layer
        .tracker()
        .start_for("ada", "a")
        .await
        .unwrap_err();
    let links = async || {
        let key = SessionKey::of("a");
        store.link_of(key).await.unwrap().is_some()
    };
    assert!(links().await);
    assert_eq!(keys(&tracker, "ada").await, ids(&[]));
    assert!(links().await, "its session may still begin");
    site.start("a").await;
    assert_eq!(keys(&tracker, "ada").await, ids(&["a"]));
    // Of a session that never began, nothing stays.
    tracker.revoke("a").await.unwrap();
    site.clock.advance(2 * MINUTE);
    assert_eq!(keys(&tracker, "ada").await, ids(&[]));
    assert!(!links().await);
}

#[tokio::test]
async fn a_live_request_costs_nothing_more_and_a_log_in_one_write() {
    let store = ScriptedStore::default();
    let site = behind(store.clone(), users());
    log_in(&site, anonymous("/login"), "a", "ada".into()).await;
    // Now and then, a log-in reads the user's list as well.
    assert_eq!(store.calls()[..2], [Operation::Link, Operation::Begin]);
    site.ask("/", "a").await;
    assert_eq!(store.calls(), [Operation::Touch]);
}

#[tokio::test]
async fn a_log_in_that_cannot_be_linked_is_answered_as_the_policy_says() {
    for (failure, status, live) in [
        (StoreFailure::Reject, 503, 440),
        (StoreFailure::Allow, 200, 440),
    ] {
        let store = ScriptedStore::default();
        let site = Site::with_store(policy().with_store_failure(failure), store.clone())
            .configured(|layer| layer.with_users(users()));
        store.set(Operation::Link, Fault::Fails);
        let answer = log_in(&site, anonymous("/login"), "a", "ada".into()).await;
        assert_eq!(answer.status(), status);
        store.heal();
        // A session that a "sign out everywhere" would miss does not begin.
        assert_eq!(site.status("a").await, live);
    }
}

#[tokio::test]
async fn without_users_nobody_is_remembered() {
    let site = Site::new(policy());
    let tracker = site.layer.tracker();
    log_in(&site, anonymous("/login"), "a", "ada".into()).await;
    assert_eq!(site.status("a").await, 200);
    let error = tracker.sessions_of("ada").await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("`with_users`"), "{source}");
}

#[tokio::test]
async fn under_another_secret_a_user_is_another_one() {
    let store = MemoryStore::new();
    let site = behind(store.clone(), users());
    let _ = site.layer.tracker().start_for("ada", "a").await.unwrap();
    let other = Users::new("another secret of 16 bytes").unwrap();
    let other = behind(store, other).layer.tracker();
    assert_eq!(keys(&other, "ada").await, ids(&[]));
}

/// An exempt log-in page that keeps the id of a live session.
#[tokio::test]
async fn an_exempt_log_in_says_whose_a_session_is() {
    let layer = |layer: LoginTimeoutLayer<_>| {
        let users = users();
        layer.with_users(users).with_exempt(rule::path("/login"))
    };
    let site = Site::new(policy()).configured(layer);
    site.start("a").await;
    log_in(&site, request("/login", "a"), "a", "ada".into()).await;
    assert_eq!(keys(&site.layer.tracker(), "ada").await, ids(&["a"]));
    log_in(&site, request("/login", "a"), "b", "bob".into()).await;
    assert_eq!(keys(&site.layer.tracker(), "bob").await, ids(&["b"]));
}

/// The links of users who log in again and again do not pile up.
#[tokio::test]
async fn links_of_sessions_that_are_over_leave() {
    let store = MemoryStore::new();
    let site = behind(store.clone(), users());
    let tracker = site.layer.tracker();
    let mut keys = Vec::new();
    for day in 0..1000 {
        let id = format!("day {day}");
        let _ = tracker.start_for("ada", &id).await.unwrap();
        keys.push(SessionKey::of(&id));
        site.clock.advance(24 * 60 * MINUTE + ABSOLUTE);
    }
    let mut left = 0;
    for key in keys {
        left += usize::from(store.link_of(key).await.unwrap().is_some());
    }
    assert!(left <= 3, "{left}");
}

/// Without an absolute timeout, no link has a time at which it may be removed.
#[tokio::test]
async fn links_of_sessions_without_an_absolute_timeout_leave_too() {
    let store = MemoryStore::new();
    let site = Site::with_store(policy().with_absolute(Duration::MAX), store.clone())
        .configured(|layer| layer.with_users(users()));
    let tracker = site.layer.tracker();
    let mut keys = Vec::new();
    for number in 0..4000 {
        let id = format!("session {number}");
        let _ = tracker.start_for("ada", &id).await.unwrap();
        keys.push(SessionKey::of(&id));
        site.clock.advance(2 * IDLE);
    }
    let mut left = 0;
    for key in keys {
        left += usize::from(store.link_of(key).await.unwrap().is_some());
    }
    assert!(left < 1000, "{left}");
}

/// A service account logs in often, and has thousands of sessions.
#[tokio::test]
async fn a_log_in_of_a_user_with_many_sessions_costs_as_much_as_any() {
    let store = ScriptedStore::default();
    let site =
        Site::with_store(policy(), store.clone()).configured(|layer| layer.with_users(users()));
    let tracker = site.layer.tracker();
    for number in 0..5000 {
        let id = format!("session {number}");
        let _ = tracker.start_for("ada", &id).await.unwrap();
    }
    store.calls();
    for number in 0..1000 {
        let id = format!("new session {number}");
        let _ = tracker.start_for("ada", &id).await.unwrap();
    }
    let calls = store.calls().len();
    assert!(calls < 10_000, "{calls} operations for 1000 log-ins");
}
