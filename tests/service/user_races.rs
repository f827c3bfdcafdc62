//! Tests of whose sessions are, where something else happens at the same moment.

use std::collections::BTreeSet;

use tower_login_timeout::{SessionKey, Tracker, Users};

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{Site, policy, request};

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
