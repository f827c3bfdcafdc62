//! Does it work under `axum::Router::layer`?

use axum::routing::get;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tower_login_timeout::SessionHandle;

use crate::http1::assert_is_the_440;
use crate::raw::{self, ask};
use crate::{IDLE, layer};

#[tokio::test]
async fn a_handler_sees_a_live_session_and_no_expired_one() {
    let (layer, clock) = layer().await;
    let handler = |session: Option<Extension<SessionHandle>>| async move {
        match session {
            Some(Extension(session)) => format!("{} s left", session.remaining().as_secs()),
            None => "anonymous".to_owned(),
        }
    };
    let router = Router::new().route("/", get(handler)).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });

    assert_eq!(ask(address, &raw::get("/", &[])).await.body, "anonymous");
    let live = ask(address, &raw::get("/", &["cookie: sid=sesame"])).await;
    assert_eq!(live.body, "60 s left");
    clock.advance(IDLE);
    assert_is_the_440(&ask(address, &raw::get("/", &["cookie: sid=sesame"])).await);
}
