//! Tests of the layer and its extractors in an axum router.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use http::{Request, Response};
use tower::ServiceExt;
use tower_login_timeout::{ManualClock, MemoryStore, SessionHandle, Tracker};

use crate::common::site::{IDLE, cookie_layer, policy, text};

fn application() -> (Router, ManualClock) {
    let (layer, clock) = cookie_layer(policy(), MemoryStore::new());
    let router = Router::new()
        .route(
            "/members",
            get(async |session: SessionHandle| format!("{:?}", session.remaining())),
        )
        .route(
            "/",
            get(async |session: Option<SessionHandle>| format!("{}", session.is_some())),
        )
        .route(
            "/token",
            post(async |State(tracker): State<Tracker>| tracker.start("token").await.unwrap()),
        )
        .with_state(layer.tracker())
        .layer(layer);
    (router, clock)
}

async fn ask(router: &Router, method: &str, path: &str, id: Option<&str>) -> Response<String> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(id) = id {
        request = request.header("cookie", format!("sid={id}"));
    }
    let request = request.body(Body::empty()).unwrap();
    text(router.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn a_handler_gets_its_session_and_an_anonymous_visitor_is_turned_away() {
    let (router, clock) = application();
    assert_eq!(ask(&router, "GET", "/members", None).await.status(), 403);
    assert_eq!(ask(&router, "GET", "/", None).await.body(), "false");
    assert_eq!(ask(&router, "POST", "/token", None).await.status(), 200);
    assert_eq!(
        ask(&router, "GET", "/members", Some("token")).await.body(),
        "60s"
    );
    assert_eq!(ask(&router, "GET", "/", Some("token")).await.body(), "true");
    clock.advance(IDLE);
    assert_eq!(
        ask(&router, "GET", "/members", Some("token"))
            .await
            .status(),
        440
    );
}
