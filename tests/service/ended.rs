//! Tests of the future that completes when a session is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use tokio::time::{Instant, timeout};
use tokio_test::task::{Spawn, spawn};
use tower_login_timeout::{
    ActivityStore, Clock, Ended, ManualClock, MemoryStore, Reason, SessionHandle,
};

use crate::common::scripted::{Fault, ScriptedStore};
use crate::common::site::{ABSOLUTE, IDLE, MILLISECOND, Site, policy, request, timed_site};

const SECOND: Duration = Duration::from_secs(1);
/// The default of the layer.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Returns the handle that a handler gets for this session.
async fn handle<St: ActivityStore>(site: &Site<St>, id: &str) -> SessionHandle {
    let slot = Arc::new(Mutex::new(None));
    let given = Arc::clone(&slot);
    site.send_to(request("/", id), move |request| {
        *given.lock().unwrap() = request.extensions().get::<SessionHandle>().cloned();
        async { Response::new(String::new()) }
    })
    .await;
    slot.lock().unwrap().take().expect("a live session")
}

/// Moves the clock until the session is seen to be over. Returns the reason, and how long it took.
fn until_over(clock: &ManualClock, ended: &mut Spawn<Ended>) -> (Reason, Duration) {
    let began = clock.now();
    loop {
        if let std::task::Poll::Ready(expired) = ended.poll() {
            return (
                expired.reason(),
                clock.now().saturating_duration_since(began),
            );
        }
        clock.advance(100 * MILLISECOND);
        assert!(
            clock.now() < began.saturating_add(2 * ABSOLUTE),
            "it never ends"
        );
    }
}

/// The user is active in another tab meanwhile.
#[tokio::test]
async fn it_asks_the_store_also_where_the_handle_is_old() {
    let site = Site::new(policy());
    site.start("a").await;
    let session = handle(&site, "a").await;
    for _ in 0..4 {
        site.clock.advance(IDLE / 2);
        assert_eq!(site.status("a").await, 200);
    }
    let mut ended = spawn(session.ended());
    assert!(ended.poll().is_pending());
    let (reason, after) = until_over(&site.clock, &mut ended);
    assert_eq!(reason, Reason::Idle);
    assert!(after >= IDLE && after < IDLE + SECOND, "{after:?}");
}

#[tokio::test]
async fn it_completes_at_the_idle_timeout_and_wakes_its_task() {
    let site = Site::new(policy());
    site.start("a").await;
    let mut ended = spawn(handle(&site, "a").await.ended());
    assert!(ended.poll().is_pending());
    site.clock.advance(IDLE - MILLISECOND);
    assert!(ended.is_woken(), "it looks now and then");
    assert!(ended.poll().is_pending());
    site.clock.advance(SECOND);
    assert!(ended.is_woken());
    let std::task::Poll::Ready(expired) = ended.poll() else {
        panic!("the session is over");
    };
    assert_eq!(expired.reason(), Reason::Idle);
    assert!(ended.poll().is_pending(), "it completes once");
}

#[tokio::test]
async fn it_is_no_activity_and_goes_by_that_of_requests_and_of_the_handle() {
    let site = Site::new(policy());
    site.start("a").await;
    let session = handle(&site, "a").await;
    let mut ended = spawn(session.ended());
    for _ in 0..3 {
        site.clock.advance(IDLE / 2);
        assert!(ended.poll().is_pending());
        assert_eq!(site.status("a").await, 200);
        site.clock.advance(IDLE / 2);
        assert!(ended.poll().is_pending());
        session.touch().await.unwrap();
    }
    let (reason, took) = until_over(&site.clock, &mut ended);
    assert_eq!(reason, Reason::Idle);
    assert!((IDLE..IDLE + SECOND).contains(&took), "{took:?}");
}

#[tokio::test]
async fn the_absolute_timeout_ends_an_active_session() {
    let site = Site::new(policy());
    site.start("a").await;
    let session = handle(&site, "a").await;
    let mut ended = spawn(session.ended());
    let began = site.clock.now();
    let reason = loop {
        if let std::task::Poll::Ready(expired) = ended.poll() {
            break expired.reason();
        }
        site.clock.advance(SECOND);
        session.touch().await.unwrap();
    };
    assert_eq!(reason, Reason::Absolute);
    let took = site.clock.now().saturating_duration_since(began);
    assert!(
        (ABSOLUTE..ABSOLUTE + 2 * SECOND).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_log_out_elsewhere_is_noticed_within_look_every() {
    for look_every in [LOOK_EVERY, SECOND] {
        let site = Site::new(policy());
        let site = site.configured(|layer| layer.with_look_every(look_every));
        site.start("a").await;
        let mut ended = spawn(handle(&site, "a").await.ended());
        assert!(ended.poll().is_pending());
        site.layer.tracker().revoke("a").await.unwrap();
        let (reason, took) = until_over(&site.clock, &mut ended);
        assert_eq!(reason, Reason::Revoked);
        assert!(took <= look_every, "{took:?}");
    }
}

#[tokio::test]
async fn it_follows_the_session_to_its_new_ids() {
    let site = Site::new(policy());
    site.start("a").await;
    let mut ended = spawn(handle(&site, "a").await.ended());
    assert!(ended.poll().is_pending());
    for (old, new) in [("a", "b"), ("b", "c")] {
        let cookie = format!("sid={new}");
        site.setting(request("/renew", old), &[&cookie]).await;
        // The old id ends after 30 seconds.
        for _ in 0..5 {
            site.clock.advance(IDLE / 2);
            assert!(ended.poll().is_pending(), "{new}");
            assert_eq!(site.status(new).await, 200);
        }
    }
    site.layer.tracker().revoke("c").await.unwrap();
    let (reason, took) = until_over(&site.clock, &mut ended);
    assert_eq!(reason, Reason::Revoked);
    assert!(took <= LOOK_EVERY, "{took:?}");
}

#[tokio::test]
async fn a_replaced_id_whose_new_one_is_gone_is_replaced() {
    let store = MemoryStore::new();
    let site = Site::with_store(policy(), store.clone());
    site.start("a").await;
    let session = handle(&site, "a").await;
    site.setting(request("/renew", "a"), &["sid=b"]).await;
    // Somebody else signs in with the new id.
    site.clock.advance(SECOND);
    site.start("b").await;
    let mut ended = spawn(session.ended());
    let (reason, _) = until_over(&site.clock, &mut ended);
    assert_eq!(reason, Reason::Replaced);
}

#[tokio::test]
async fn a_session_that_the_store_has_lost_is_unknown() {
    let site = Site::with_store(policy(), MemoryStore::with_capacity(1));
    site.start("a").await;
    let mut ended = spawn(handle(&site, "a").await.ended());
    assert!(ended.poll().is_pending());
    site.start("b").await;
    assert_eq!(until_over(&site.clock, &mut ended).0, Reason::Unknown);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_fails_only_the_absolute_timeout_counts() {
    for fault in [Fault::Fails, Fault::Hangs] {
        let store = ScriptedStore::default();
        let site = Site::with_store(policy(), store.clone());
        site.start("a").await;
        let mut ended = spawn(handle(&site, "a").await.ended());
        store.set_all(fault.clone());
        let began = site.clock.now();
        let reason = loop {
            if let std::task::Poll::Ready(expired) = ended.poll() {
                break expired.reason();
            }
            site.clock.advance(SECOND);
            // The time limit of the store's operations.
            tokio::time::advance(2 * SECOND).await;
        };
        assert_eq!(reason, Reason::Absolute, "{fault:?}");
        let took = site.clock.now().saturating_duration_since(began);
        let look = LOOK_EVERY + 2 * SECOND;
        assert!((ABSOLUTE..ABSOLUTE + look).contains(&took), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_while_ends_nothing() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone());
    site.start("a").await;
    let mut ended = spawn(handle(&site, "a").await.ended());
    store.set_all(Fault::Fails);
    for _ in 0..30 {
        site.clock.advance(SECOND);
        assert!(ended.poll().is_pending());
    }
    store.heal();
    assert_eq!(site.status("a").await, 200);
    for _ in 0..50 {
        site.clock.advance(SECOND);
        assert!(ended.poll().is_pending());
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_by_the_timer_where_the_clock_runs() {
    let site = timed_site(MemoryStore::new());
    site.start("a").await;
    let session = handle(&site, "a").await;
    let began = Instant::now();
    assert_eq!(session.ended().await.reason(), Reason::Idle);
    assert!((IDLE..IDLE + SECOND).contains(&began.elapsed()));

    site.start("b").await;
    let ended = tokio::spawn(handle(&site, "b").await.ended());
    tokio::time::sleep(10 * SECOND).await;
    site.layer.tracker().revoke("b").await.unwrap();
    let expired = timeout(LOOK_EVERY, ended).await.expect("in time").unwrap();
    assert_eq!(expired.reason(), Reason::Revoked);
}

#[tokio::test(start_paused = true)]
async fn many_that_are_due_together_do_not_ask_at_once() {
    let store = ScriptedStore::default();
    let site = timed_site(store.clone());
    let mut waiting = tokio::task::JoinSet::new();
    for id in 0..1_000 {
        let id = id.to_string();
        site.start(&id).await;
        waiting.spawn(handle(&site, &id).await.ended());
    }
    tokio::time::sleep(IDLE - MILLISECOND).await;
    let mut most = 0;
    while !waiting.is_empty() {
        let before = store.questions();
        tokio::time::sleep(10 * MILLISECOND).await;
        most = most.max(store.questions() - before);
        while waiting.try_join_next().is_some() {}
    }
    // They end within a quarter of a second, so there are about 40 in ten milliseconds.
    assert!((10..150).contains(&most), "{most} of 1000 asked at once");
}

#[cfg(feature = "cached")]
#[tokio::test(start_paused = true)]
async fn a_near_cache_answers_and_a_log_out_on_another_node_is_noticed_in_time() {
    use tower_login_timeout::CachedStore;

    let store = ScriptedStore::default();
    let site = timed_site(CachedStore::new(store.clone()));
    site.start("a").await;
    site.start("b").await;
    let ended = tokio::spawn(handle(&site, "a").await.ended());
    let other = tokio::spawn(handle(&site, "b").await.ended());
    tokio::time::sleep(10 * SECOND).await;
    let before = store.questions();
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(store.questions(), before, "a look asks no server");
    let elsewhere = Site::with_store(policy(), store.clone());
    elsewhere.layer.tracker().revoke("a").await.unwrap();
    let expired = timeout(LOOK_EVERY, ended).await.expect("in time").unwrap();
    assert_eq!(expired.reason(), Reason::Revoked);
    assert!(!other.is_finished());
}

#[test]
fn one_that_waits_is_small() {
    assert!(size_of::<Ended>() <= 512, "{}", size_of::<Ended>());
}
