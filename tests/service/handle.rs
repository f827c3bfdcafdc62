//! Tests of a handle that outlives the id of its request: of a WebSocket, or a job.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use tower_login_timeout::{Limits, SessionHandle, Verdict};

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
