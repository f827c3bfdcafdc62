//! Tests of whose sessions are, where something else happens at the same moment.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Response;
use tower_login_timeout::{
    Admission, Limits, ManualClock, MemoryStore, SessionHandle, SessionKey, SessionUser, Tracker,
    Users, WhenFull,
};

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{ABSOLUTE, IDLE, Site, policy, request};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn users() -> Users {
    Users::new("a secret of 16 bytes or more").unwrap()
}

fn site_with(store: &ScriptedStore, users: Users) -> Site<ScriptedStore> {
    Site::with_store(policy(), store.clone()).configured(|layer| layer.with_users(users))
}

async fn keys(tracker: &Tracker, user: &str) -> BTreeSet<SessionKey> {
    let sessions = tracker.sessions_of(user).await.unwrap();
    sessions.iter().map(|session| session.key()).collect()
}

fn ids(ids: &[&str]) -> BTreeSet<SessionKey> {
    ids.iter().map(SessionKey::of).collect()
}

/// The list of links is read before the session gets the new id, and the records are read after.
#[tokio::test]
async fn a_session_that_gets_a_new_id_meanwhile_ends_with_all_others() {
    let store = ScriptedStore::default();
    let site = site_with(&store, users());
    let tracker = site.layer.tracker();
    let _ = tracker.start_for("ada", "a").await.unwrap();
    store.set(Operation::LinksOf, Fault::AnswersLate);
    let end = tracker.end_all_of("ada");
    let rotation = async {
        tokio::task::yield_now().await;
        site.setting(request("/", "a"), &["sid=b"]).await;
        store.open_gate();
    };
    let (ended, ()) = tokio::join!(end, rotation);
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(site.status("b").await, 440);
}

#[tokio::test]
async fn a_session_that_gets_a_new_id_meanwhile_is_in_the_list() {
    let store = ScriptedStore::default();
    let site = site_with(&store, users());
    let tracker = site.layer.tracker();
    let _ = tracker.start_for("ada", "a").await.unwrap();
    store.set(Operation::LinksOf, Fault::AnswersLate);
    let list = keys(&tracker, "ada");
    let rotation = async {
        tokio::task::yield_now().await;
        site.setting(request("/", "a"), &["sid=b"]).await;
        store.open_gate();
    };
    let (list, ()) = tokio::join!(list, rotation);
    assert_eq!(list, ids(&["b"]));
}

/// The ids of the session that stays are read before it gets another one.
#[tokio::test]
async fn a_session_that_gets_a_new_id_meanwhile_is_no_other_one() {
    let store = ScriptedStore::default();
    let site = site_with(&store, users());
    let tracker = site.layer.tracker();
    for id in ["a", "other"] {
        let _ = tracker.start_for("ada", id).await.unwrap();
    }
    store.set(Operation::LinkOf, Fault::AnswersLate);
    let end = tracker.end_others("a");
    let rotation = async {
        tokio::task::yield_now().await;
        store.heal();
        site.setting(request("/", "a"), &["sid=b"]).await;
        store.open_gate();
    };
    let (ended, ()) = tokio::join!(end, rotation);
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(site.status("b").await, 200);
    assert_eq!(site.status("other").await, 440);
}

/// The log-in takes a while, and a poll gives the session a new id meanwhile.
#[tokio::test]
async fn a_session_that_gets_a_new_id_during_its_log_in_belongs_to_the_user() {
    for how in ["handle", "response"] {
        let store = ScriptedStore::default();
        let site = &site_with(&store, users());
        site.start("a").await;
        site.send_to(request("/login", "a"), async |request| {
            site.setting(crate::common::site::request("/poll", "a"), &["sid=b"])
                .await;
            let session: &SessionHandle = request.extensions().get().unwrap();
            let response = Response::builder();
            let response = if how == "handle" {
                assert_eq!(session.belongs_to("ada").await.unwrap(), Admission::Begun);
                response
            } else {
                response.extension(SessionUser::new("ada"))
            };
            response.body(String::new()).unwrap()
        })
        .await;
        let tracker = site.layer.tracker();
        assert_eq!(keys(&tracker, "ada").await, ids(&["b"]), "{how}");
        assert_eq!(tracker.end_all_of("ada").await.unwrap(), 1);
        assert_eq!(site.status("b").await, 440);
    }
}

/// "Remember me" comes after the log-in.
#[tokio::test]
async fn a_session_that_may_live_longer_stays_in_the_list() {
    let longer = Limits::default()
        .with_idle(30 * DAY)
        .and_then(|limits| limits.with_absolute(30 * DAY))
        .unwrap();
    for how in ["tracker", "response"] {
        let store = ScriptedStore::default();
        let site = site_with(&store, users());
        let tracker = site.layer.tracker();
        let _ = tracker.start_for("ada", "a").await.unwrap();
        if how == "tracker" {
            assert!(tracker.set_limits("a", longer).await.unwrap());
        } else {
            site.send_to(request("/", "a"), move |_| async move {
                let response = Response::builder().header("set-cookie", "sid=a");
                let response = response.extension(SessionUser::new("ada"));
                response.extension(longer).body(String::new()).unwrap()
            })
            .await;
        }
        site.clock.advance(ABSOLUTE + 2 * DAY);
        let _ = tracker.start_for("ada", "b").await.unwrap();
        assert_eq!(site.status("a").await, 200, "{how}");
        assert_eq!(keys(&tracker, "ada").await, ids(&["a", "b"]), "{how}");
        tracker.end_all_of("ada").await.unwrap();
        assert_eq!(site.status("a").await, 440, "{how}");
    }
}

/// A list that is read on a node whose clock is ahead.
#[tokio::test]
async fn a_session_that_is_over_by_another_clock_stays_in_the_list() {
    let memory = MemoryStore::new();
    let site =
        Site::with_store(policy(), memory.clone()).configured(|layer| layer.with_users(users()));
    let tracker = site.layer.tracker();
    let _ = tracker.start_for("ada", "a").await.unwrap();
    site.clock.advance(IDLE + IDLE / 2);
    assert_eq!(site.status("a").await, 440);
    let _ = tracker.start_for("ada", "b").await.unwrap();
    for _ in 0..3 {
        site.clock.advance(IDLE / 2);
        assert_eq!(site.status("b").await, 200);
    }
    let ahead = ManualClock::new();
    ahead.advance(4 * IDLE + IDLE / 2);
    let other = Tracker::with_users(policy().build().unwrap(), memory, ahead, users());
    other.sessions_of("ada").await.unwrap();
    assert_eq!(site.status("b").await, 200);
    assert_eq!(keys(&tracker, "ada").await, ids(&["b"]));
}

/// The browser had a session of nobody, or of another user, before it logged in.
#[tokio::test]
async fn a_log_in_in_an_old_session_is_not_the_oldest_log_in() {
    let store = ScriptedStore::default();
    let site = site_with(&store, users().with_at_most(2, WhenFull::EndOldest));
    let tracker = site.layer.tracker();
    site.start("visitor").await;
    for id in ["a", "b"] {
        site.clock.advance(IDLE / 4);
        let _ = tracker.start_for("ada", id).await.unwrap();
    }
    site.clock.advance(IDLE / 4);
    site.send_to(request("/login", "visitor"), |_| async {
        let response = Response::builder().header("set-cookie", "sid=c");
        let response = response.extension(SessionUser::new("ada"));
        response.body(String::new()).unwrap()
    })
    .await;
    assert_eq!(keys(&tracker, "ada").await, ids(&["b", "c"]));
    assert_eq!(site.status("c").await, 200);
}

/// An application that gives its sessions new ids all the time, and a store that is nearly full.
#[tokio::test]
async fn links_of_replaced_ids_make_room_before_those_of_live_sessions() {
    let memory = MemoryStore::builder().with_capacity(1000).build();
    let site = Site::with_store(policy(), memory).configured(|layer| layer.with_users(users()));
    let tracker = site.layer.tracker();
    let _ = tracker.start_for("ada", "a").await.unwrap();
    site.clock.advance(IDLE / 2);
    let _ = tracker.start_for("bob", "b0").await.unwrap();
    for number in 0..2000 {
        let new = format!("sid=b{}", number + 1);
        site.setting(request("/", &format!("b{number}")), &[&new])
            .await;
        site.clock.advance(IDLE / 300);
        assert_eq!(site.status("a").await, 200);
    }
    assert_eq!(site.status("b2000").await, 200);
    assert_eq!(site.status("a").await, 200);
    assert_eq!(keys(&tracker, "ada").await, ids(&["a"]));
}

/// A new id is no log-in.
#[tokio::test]
async fn the_session_that_logged_in_first_ends_also_if_it_has_a_new_id() {
    let store = ScriptedStore::default();
    let site = site_with(&store, users().with_at_most(2, WhenFull::EndOldest));
    let tracker = site.layer.tracker();
    for id in ["a", "b"] {
        let _ = tracker.start_for("ada", id).await.unwrap();
        site.clock.advance(IDLE / 4);
    }
    site.send_to(request("/", "a"), |_| async {
        let response = Response::builder().header("set-cookie", "sid=a2");
        response.body(String::new()).unwrap()
    })
    .await;
    let of = tracker.sessions_of("ada").await.unwrap();
    let renewed = of
        .iter()
        .find(|session| session.key() == SessionKey::of("a2"));
    let renewed = renewed.expect("the session goes on under its new id");
    assert_eq!(renewed.logged_in_at(), renewed.created_at());
    site.clock.advance(IDLE / 4);
    let _ = tracker.start_for("ada", "c").await.unwrap();
    assert_eq!(keys(&tracker, "ada").await, ids(&["b", "c"]));
}

/// "Remember me" comes while a poll gives the session a new id.
#[tokio::test]
async fn a_session_that_may_live_longer_stays_in_the_list_also_under_its_new_id() {
    let longer = Limits::default()
        .with_idle(30 * DAY)
        .and_then(|limits| limits.with_absolute(30 * DAY))
        .unwrap();
    for user in [None, Some(SessionUser::new("ada"))] {
        let store = ScriptedStore::default();
        let site = site_with(&store, users());
        let another_node = Site::with_store(policy(), store.memory.clone())
            .configured(|layer| layer.with_users(users()));
        let tracker = site.layer.tracker();
        let _ = tracker.start_for("ada", "a").await.unwrap();
        // The new id is linked, and the record of the old one is read after that.
        let held = match user {
            None => Operation::LinkOf,
            Some(_) => Operation::Link,
        };
        store.set(held, Fault::AnswersLate);
        let rotation = site.send_to(request("/", "a"), |_| {
            let mut response = Response::new(String::new());
            let cookie = "sid=b".parse().unwrap();
            response.headers_mut().append("set-cookie", cookie);
            if let Some(user) = &user {
                response.extensions_mut().insert(user.clone());
            }
            async { response }
        });
        let remember = async {
            tokio::task::yield_now().await;
            store.heal();
            let tracker = another_node.layer.tracker();
            assert!(tracker.set_limits("a", longer).await.unwrap());
            store.open_gate();
        };
        tokio::join!(rotation, remember);
        site.clock.advance(ABSOLUTE + 2 * DAY);
        let _ = tracker.start_for("ada", "c").await.unwrap();
        assert_eq!(site.status("b").await, 200);
        assert_eq!(keys(&tracker, "ada").await, ids(&["b", "c"]), "{user:?}");
    }
}

/// A poll gives the session a new id, and has read whose the old one was.
#[tokio::test]
async fn a_session_that_another_user_takes_over_meanwhile_belongs_to_that_user() {
    let store = ScriptedStore::default();
    let site = site_with(&store, users());
    let another_node = Site::with_store(policy(), store.memory.clone())
        .configured(|layer| layer.with_users(users()));
    let tracker = site.layer.tracker();
    let _ = tracker.start_for("ada", "a").await.unwrap();
    store.set(Operation::Change, Fault::AnswersLate);
    let rotation = site.setting(request("/", "a"), &["sid=b"]);
    let log_in = async {
        tokio::task::yield_now().await;
        store.heal();
        store.set(Operation::LinkOf, Fault::AnswersLate);
        store.open_gate();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        store.heal();
        let by_bob = |_| async {
            let response = Response::builder().extension(SessionUser::new("bob"));
            response.body(String::new()).unwrap()
        };
        let response = another_node.send_to(request("/login", "a"), by_bob).await;
        assert_eq!(response.status(), 200);
        store.open_gate();
    };
    tokio::join!(rotation, log_in);
    assert_eq!(site.status("b").await, 200);
    assert_eq!(keys(&tracker, "bob").await, ids(&["b"]));
    assert_eq!(keys(&tracker, "ada").await, ids(&[]));
}
