//! Tests of event streams and WebSockets through nginx and Caddy with TLS.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tower_login_timeout::{LoginTimeoutLayer, rule};

use super::members::{Events, Members, routes, serve};
use super::proxy;
use super::terminator::Terminator;
use super::tls::{Secure, Tunnel, replaced};
use crate::common::http1::{get, soon};
use crate::common::servers::Server;
use crate::common::site::IDLE;
use crate::{ALPHA, address, log_in, log_out};

const IMPATIENT: &str = "proxy_read_timeout 1s;";
const LAST_EVENT: &str = "event: login-timeout\ndata: {\"reason\":\"revoked\"}\n\n";

/// Follows the events with the session `alpha`, up to the first one.
async fn follow(front: &Server, events: &Events) -> Secure {
    let mut follower = Secure::connect(front);
    follower.wire.send(&get("/events", &[ALPHA])).await;
    let first = async {
        let head = follower.wire.head().await;
        assert_eq!(head.status(), 200, "{head:?}");
        assert_eq!(follower.wire.chunk().await, "data: one\n\n");
    };
    // The application may not have the request yet.
    let say = async {
        while !events.is_followed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        events.say("one").await;
    };
    tokio::join!(first, say);
    follower
}

/// Reads the last event and the end of a stream.
async fn ends(follower: &mut Secure) {
    assert_eq!(follower.wire.chunk().await, LAST_EVENT);
    assert_eq!(follower.wire.chunk().await, "");
}

#[tokio::test]
async fn events_arrive_at_once_and_say_that_the_session_has_ended() {
    for terminator in Terminator::BOTH {
        let site = Members::start().await;
        let front = terminator.start(site.address, &terminator.usual());
        site.tracker.start("alpha").await.unwrap();
        let mut follower = follow(&front, &site.events).await;
        site.events.say("two").await;
        assert_eq!(follower.wire.chunk().await, "data: two\n\n");
        site.end().await;
        ends(&mut follower).await;
    }
}

#[tokio::test]
async fn events_of_an_application_behind_the_reverse_proxy_arrive_and_end() {
    for terminator in Terminator::BOTH {
        let events = Events::default();
        let proxy = proxy::start(serve(routes(&events)).await, &[]);
        let front = terminator.start(address(&proxy), &terminator.usual());
        let mut visitor = Secure::connect(&front);
        log_in(&mut visitor.wire).await;
        let mut follower = follow(&front, &events).await;
        log_out(&mut visitor.wire).await;
        ends(&mut follower).await;
    }
}

#[tokio::test]
async fn nginx_holds_events_back_if_it_buffers_them() {
    let site = Members::start().await;
    let usual = Terminator::Nginx.usual();
    let buffered = replaced(&usual, "proxy_buffering off;", "");
    let front = Terminator::Nginx.start(site.address, &buffered);
    site.tracker.start("alpha").await.unwrap();
    let held = timeout(Duration::from_secs(1), follow(&front, &site.events)).await;
    assert!(held.is_err(), "the event has arrived");
}

/// Opens an event stream twice. nginx cuts it each time, since nothing is said. Then asks once
/// more, when nobody has done anything for longer than the idle timeout. Returns the status.
async fn after_two_silent_streams(change: fn(LoginTimeoutLayer) -> LoginTimeoutLayer) -> u16 {
    let site = Members::start_with(change).await;
    let impatient = replaced(
        &Terminator::Nginx.usual(),
        "proxy_read_timeout 1h;",
        IMPATIENT,
    );
    let front = Terminator::Nginx.start(site.address, &impatient);
    site.tracker.start("alpha").await.unwrap();
    for _ in 0..2 {
        let mut follower = Secure::connect(&front);
        follower.wire.send(&get("/events", &[ALPHA])).await;
        assert_eq!(follower.wire.head().await.status(), 200);
        // Not even the last chunk, by which the browser would know a whole stream.
        assert_eq!(follower.wire.rest().await, "");
        site.clock.advance(IDLE * 2 / 3);
    }
    let mut follower = Secure::connect(&front);
    follower.wire.send(&get("/events", &[ALPHA])).await;
    follower.wire.head().await.status()
}

#[tokio::test]
async fn streams_that_are_cut_keep_a_session_alive_unless_they_are_passive() {
    assert_eq!(after_two_silent_streams(|layer| layer).await, 200);
    let passive = |layer: LoginTimeoutLayer| layer.with_passive(rule::path("/events"));
    assert_eq!(after_two_silent_streams(passive).await, 440);
}

/// A WebSocket through TLS.
struct Chat {
    socket: WebSocketStream<TcpStream>,
    _tunnel: Tunnel,
}

impl Chat {
    /// Opens it with the session `alpha`, or returns the status that refuses it.
    async fn open(front: &Server) -> Result<Self, u16> {
        let (tunnel, stream) = Tunnel::open(front);
        let mut request = "ws://site.example/chat".into_client_request().unwrap();
        let cookie = "sid=alpha".parse().unwrap();
        request.headers_mut().insert("cookie", cookie);
        match soon(client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Self {
                socket,
                _tunnel: tunnel,
            }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn opened(front: &Server) -> Self {
        let mut chat = Self::open(front)
            .await
            .map_err(|status| panic!("{status}"))
            .unwrap();
        soon(chat.socket.send(Message::text("hello")))
            .await
            .unwrap();
        assert_eq!(chat.next().await, Some(Message::text("hello")));
        chat
    }

    /// Waits for the next message. There is none if the connection has closed.
    async fn next(&mut self) -> Option<Message> {
        soon(self.socket.next()).await?.ok()
    }
}

#[tokio::test]
async fn a_websocket_closes_with_its_session_and_does_not_open_again() {
    for terminator in Terminator::BOTH {
        let site = Members::start().await;
        let front = terminator.start(site.address, &terminator.usual());
        site.tracker.start("alpha").await.unwrap();
        let mut chat = Chat::opened(&front).await;
        site.end().await;
        let Some(Message::Close(Some(close))) = chat.next().await else {
            panic!("no reason through {terminator:?}");
        };
        assert_eq!((u16::from(close.code), &*close.reason), (4440, "revoked"));
        assert_eq!(Chat::open(&front).await.err(), Some(440));
    }
}

#[tokio::test]
async fn a_websocket_behind_the_reverse_proxy_closes_with_its_session() {
    for terminator in Terminator::BOTH {
        let proxy = proxy::start(serve(routes(&Events::default())).await, &[]);
        let front = terminator.start(address(&proxy), &terminator.usual());
        let mut visitor = Secure::connect(&front);
        log_in(&mut visitor.wire).await;
        let mut chat = Chat::opened(&front).await;
        log_out(&mut visitor.wire).await;
        assert_eq!(chat.next().await, None);
        assert_eq!(Chat::open(&front).await.err(), Some(440));
    }
}

#[tokio::test]
async fn nginx_closes_a_websocket_that_is_silent() {
    let site = Members::start().await;
    let impatient = replaced(
        &Terminator::Nginx.usual(),
        "proxy_read_timeout 1h;",
        IMPATIENT,
    );
    let front = Terminator::Nginx.start(site.address, &impatient);
    site.tracker.start("alpha").await.unwrap();
    assert_eq!(Chat::opened(&front).await.next().await, None);
}
