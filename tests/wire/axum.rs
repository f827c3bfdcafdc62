//! Test of the layer in `axum::Router::layer`, with `axum::serve`.

use axum::routing;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tower_login_timeout::SessionHandle;

use crate::common::http1::{ask, get};
use crate::{IDLE, layer};

use super::http1::assert_is_the_440;

#[tokio::test]
async fn a_handler_sees_a_live_session_and_no_expired_one() {
    let (layer, clock) = layer().await;
    let handler = |session: Option<Extension<SessionHandle>>| async move {
        match session {
            Some(Extension(session)) => format!("{} s left", session.remaining().as_secs()),
            None => "anonymous".to_owned(),
        }
    };
    let router = Router::new().route("/", routing::get(handler)).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });

    assert_eq!(ask(address, &get("/", &[])).await.body, "anonymous");
    let live = ask(address, &get("/", &["cookie: sid=sesame"])).await;
    assert_eq!(live.body, "60 s left");
    clock.advance(IDLE);
    assert_is_the_440(&ask(address, &get("/", &["cookie: sid=sesame"])).await);
}
