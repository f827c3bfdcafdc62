//! Tests of a stream on one node whose session is logged out on another node.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_stream::{StreamExt, once, pending};
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{ActivityStore, CachedStore};

use crate::common::scripted::ScriptedStore;
use crate::common::site::{IDLE, MILLISECOND, Site, request, timed_site};

const SECOND: Duration = Duration::from_secs(1);
/// The defaults of a near cache and of the layer.
const MAX_STALENESS: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_secs(5);

const EVENTS: &str = "data: hello\n\nevent: login-timeout\ndata: {\"reason\":\"revoked\"}\n\n";

/// Opens an event stream. The task ends with the stream, and returns all of it and when it ended.
async fn open_stream<St: ActivityStore>(
    node: &Site<St>,
    id: &str,
) -> JoinHandle<(String, Instant)> {
    let service = service_fn(async |_: Request<String>| {
        let hello = Frame::data(Bytes::from_static(b"data: hello\n\n"));
        let body = StreamBody::new(once(Ok::<_, Infallible>(hello)).chain(pending()));
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, Infallible>(response.body(body).unwrap())
    });
    let response = node.layer.layer(service).oneshot(request("/", id)).await;
    let body = response.unwrap().into_body();
    tokio::spawn(async move {
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.into()).unwrap();
        (text, Instant::now())
    })
}

/// Logs out as an application does: its response removes the cookie.
async fn log_out<St: ActivityStore>(node: &Site<St>, id: &str) {
    let removal = ["sid=; Path=/; Max-Age=0"];
    let response = node.setting(request("/logout", id), &removal).await;
    assert_eq!(response.status(), 200);
}

/// Has streams open on one node, and logs each of their sessions out on the other one.
async fn end_in_time(
    here: &Site<impl ActivityStore>,
    elsewhere: &Site<impl ActivityStore>,
    limit: Duration,
) {
    let mut longest = Duration::ZERO;
    // A log-out may come at any time between two looks.
    for step in 0..60 {
        let id = format!("a{step}");
        here.start(&id).await;
        here.start("b").await;
        let stream = open_stream(here, &id).await;
        let other = open_stream(here, "b").await;
        sleep(SECOND + step * 100 * MILLISECOND).await;
        assert!(!stream.is_finished());

        log_out(elsewhere, &id).await;
        let logged_out_at = Instant::now();
        let (text, ended_at) = stream.await.unwrap();
        assert_eq!(text, EVENTS);
        longest = longest.max(ended_at - logged_out_at);
        assert!(!other.is_finished(), "it was not logged out");
        other.abort();
    }
    assert!(longest <= limit, "it took {longest:?}");
    assert!(limit < IDLE, "or else it could have ended by itself");
}

#[tokio::test(start_paused = true)]
async fn over_a_near_cache_it_ends_within_max_staleness() {
    let store = ScriptedStore::default();
    let here = timed_site(CachedStore::new(store.clone()));
    let elsewhere = timed_site(store.clone());
    end_in_time(&here, &elsewhere, MAX_STALENESS).await;
}

#[tokio::test(start_paused = true)]
async fn between_two_near_caches_it_ends_within_max_staleness() {
    let store = ScriptedStore::default();
    let here = timed_site(CachedStore::new(store.clone()));
    let elsewhere = timed_site(CachedStore::new(store.clone()));
    end_in_time(&here, &elsewhere, MAX_STALENESS).await;
}

#[tokio::test(start_paused = true)]
async fn over_a_plain_store_it_ends_within_look_every() {
    let store = ScriptedStore::default();
    let here = timed_site(store.clone());
    let elsewhere = timed_site(store.clone());
    end_in_time(&here, &elsewhere, LOOK_EVERY).await;
}
