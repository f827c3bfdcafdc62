//! Tests of nginx and Caddy that ask the layer about each request (`auth_request`, `forward_auth`).

use http::StatusCode;
use tower_login_timeout::{LoginTimeoutLayer, LoginTimeoutResponse};

use super::members::{Events, Members, routes, serve};
use super::terminator::Terminator;
use super::tls::{Secure, replaced};
use crate::common::http1::{Message, Wire, get};
use crate::common::servers::Server;
use crate::common::site::IDLE;
use crate::{ALPHA, hello, log_in, log_out};

/// Starts in front of an application that knows nothing of sessions, and asks the layer about them.
async fn start(terminator: Terminator, asks: &str, layer: &Members) -> Server {
    let application = serve(routes(&Events::default())).await;
    let configuration = terminator.with(asks);
    let configuration = replaced(&configuration, "127.0.0.1:8000", &application.to_string());
    terminator.start(layer.address, &configuration)
}

/// Asks with a session that was idle for too long.
async fn late(wire: &mut Wire, layer: &Members) -> Message {
    layer.tracker.start("alpha").await.unwrap();
    hello(wire).await;
    layer.clock.advance(IDLE);
    wire.ask(&get("/", &[ALPHA])).await
}

fn with_401(layer: LoginTimeoutLayer) -> LoginTimeoutLayer {
    layer.with_response(LoginTimeoutResponse::new().with_status(StatusCode::UNAUTHORIZED))
}

#[tokio::test]
async fn nginx_answers_500_if_the_layer_answers_440() {
    let layer = Members::start().await;
    let front = start(Terminator::Nginx, "auth_request", &layer).await;
    let answer = late(&mut Secure::connect(&front).wire, &layer).await;
    assert_eq!(answer.status(), 500);
}

#[tokio::test]
async fn nginx_passes_a_401_on_as_the_page_configures_it() {
    let layer = Members::start_with(with_401).await;
    let front = start(Terminator::Nginx, "auth_request", &layer).await;
    let answer = late(&mut Secure::connect(&front).wire, &layer).await;
    assert_eq!(
        (answer.status(), &*answer.body),
        (440, "Your session has ended.\n")
    );
    assert_eq!(answer.header("login-timeout-reason"), Some("idle"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let removal = answer.header("set-cookie").unwrap();
    assert!(removal.starts_with("sid=;"), "{removal}");
}

#[tokio::test]
async fn caddy_passes_a_440_on() {
    let layer = Members::start().await;
    let front = start(Terminator::Caddy, "forward_auth", &layer).await;
    let answer = late(&mut Secure::connect(&front).wire, &layer).await;
    assert_eq!(answer.status(), 440);
    assert_eq!(answer.header("login-timeout-reason"), Some("idle"));
    let removal = answer.header("set-cookie").unwrap();
    assert!(removal.starts_with("sid=;"), "{removal}");
}

#[tokio::test]
async fn log_ins_and_log_outs_are_not_seen_by_a_layer_that_is_only_asked() {
    for (terminator, asks, refused) in [
        (Terminator::Nginx, "auth_request", 440),
        (Terminator::Caddy, "forward_auth", 401),
    ] {
        let layer = Members::start_with(with_401).await;
        let front = start(terminator, asks, &layer).await;
        let mut visitor = Secure::connect(&front);
        log_in(&mut visitor.wire).await;
        let answer = visitor.wire.ask(&get("/", &[ALPHA])).await;
        assert_eq!(answer.status(), refused);
        assert_eq!(answer.header("login-timeout-reason"), Some("unknown"));

        layer.tracker.start("alpha").await.unwrap();
        log_out(&mut visitor.wire).await;
        hello(&mut visitor.wire).await;
    }
}
