//! Tests of a handle that outlives the id of its request: of a WebSocket, or a job.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use tokio_test::task::spawn;
use tower_login_timeout::{Limits, SessionHandle, Users, Verdict};

use crate::common::site::{ABSOLUTE, IDLE, Site, policy, request};

/// Returns the handle of a session that has got two new ids since.
async fn outdated_handle(site: &Site) -> SessionHandle {
    site.start("a").await;
    let slot = Arc::new(Mutex::new(None));
    let given = Arc::clone(&slot);
    site.send_to(request("/", "a"), move |request| {
        *given.lock().unwrap() = request.extensions().get::<SessionHandle>().cloned();
        async { Response::new(String::new()) }
    })
    .await;
    site.setting(request("/", "a"), &["sid=b"]).await;
    site.setting(request("/", "b"), &["sid=c"]).await;
    slot.lock().unwrap().take().expect("a live session")
}

fn remaining(verdict: Verdict) -> Option<Duration> {
    match verdict {
        Verdict::Active { remaining, .. } => Some(remaining),
        _ => None,
    }
}

#[tokio::test]
async fn a_message_is_activity_of_the_session_whatever_its_id() {
    let site = Site::new(policy());
    let handle = outdated_handle(&site).await;
    let mut verdict = None;
    for _ in 0..6 {
        site.clock.advance(IDLE / 4);
        verdict = Some(handle.touch().await.unwrap());
    }
    assert_eq!(remaining(verdict.unwrap()), Some(IDLE));
    site.clock.advance(IDLE / 2);
    assert_eq!(site.status("c").await, 200);
}

#[tokio::test]
async fn a_job_is_told_of_the_session_whatever_its_id() {
    let site = Site::new(policy());
    let handle = outdated_handle(&site).await;
    site.clock.advance(IDLE / 2);
    site.status("c").await;
    assert_eq!(remaining(handle.check().await.unwrap()), Some(IDLE));
    site.clock.advance(IDLE);
    assert_eq!(remaining(handle.check().await.unwrap()), None);
    assert_eq!(remaining(handle.touch().await.unwrap()), None);
    assert_eq!(site.status("c").await, 440, "nothing brings it back");
}

#[tokio::test]
async fn a_handle_sets_the_limits_of_the_session_whatever_its_id() {
    let site = Site::new(policy());
    let handle = outdated_handle(&site).await;
    let shorter = Limits::default().with_idle(IDLE / 4).unwrap();
    assert!(handle.set_limits(shorter).await.unwrap());
    site.clock.advance(IDLE / 4);
    assert_eq!(site.status("c").await, 440);
    assert!(
        !handle
            .set_limits(shorter.with_absolute(ABSOLUTE).unwrap())
            .await
            .unwrap()
    );
}

/// An administrator's page has the id from before.
#[tokio::test]
async fn a_tracker_sets_the_limits_of_the_session_whatever_its_id() {
    let site = Site::new(policy());
    let handle = outdated_handle(&site).await;
    let shorter = Limits::default().with_idle(IDLE / 4).unwrap();
    let tracker = site.layer.tracker();
    assert!(tracker.set_limits(handle.key(), shorter).await.unwrap());
    site.clock.advance(IDLE / 4);
    assert_eq!(site.status("c").await, 440);
    assert!(!tracker.set_limits(handle.key(), shorter).await.unwrap());
}

/// A WebSocket stays open while the application gives new ids with each response.
#[tokio::test]
async fn a_handle_follows_its_session_through_many_ids() {
    const ROTATIONS: u32 = 200;
    let users = Users::new("a secret of 16 bytes or more").unwrap();
    let site = Site::new(policy()).configured(|layer| layer.with_users(users));
    let tracker = site.layer.tracker();
    let _ = tracker.start_for("ada", "0").await.unwrap();
    let slot = Arc::new(Mutex::new(None));
    let given = Arc::clone(&slot);
    site.send_to(request("/", "0"), move |request| {
        *given.lock().unwrap() = request.extensions().get::<SessionHandle>().cloned();
        async { Response::new(String::new()) }
    })
    .await;
    let socket = slot.lock().unwrap().take().expect("a live session");
    let mut ended = spawn(socket.ended());
    assert!(ended.poll().is_pending());
    for number in 0..ROTATIONS {
        let new = format!("sid={}", number + 1);
        site.setting(request("/", &number.to_string()), &[&new])
            .await;
        site.clock.advance(ABSOLUTE / 2 / ROTATIONS);
    }
    assert!(remaining(socket.check().await.unwrap()).is_some());
    assert_eq!(remaining(socket.touch().await.unwrap()), Some(IDLE));
    let _ = tracker.start_for("ada", "other").await.unwrap();
    assert_eq!(socket.sessions_of_user().await.unwrap().len(), 2);
    assert_eq!(socket.end_others().await.unwrap(), 1);
    assert_eq!(site.status("other").await, 440);
    assert_eq!(site.status(&ROTATIONS.to_string()).await, 200);
    assert!(ended.poll().is_pending());
}
