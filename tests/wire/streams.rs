//! Tests of event streams through axum and a real socket.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tower_login_timeout::{ManualClock, Tracker};

use crate::common::http1::{ask, get, soon};
use crate::layer;

/// Longer than `look_every`.
const SOON: Duration = Duration::from_secs(6);

type Sender = mpsc::Sender<Result<Event, Infallible>>;

/// A page that follows the events of an application, in one of several tabs.
struct Site {
    address: std::net::SocketAddr,
    clock: ManualClock,
    tracker: Tracker,
    events: Sender,
}

impl Site {
    async fn start() -> Self {
        let (layer, clock) = layer().await;
        let tracker = layer.tracker();
        let (events, receiver) = mpsc::channel(8);
        let receiver = Arc::new(Mutex::new(Some(receiver)));
        let follow = async move || {
            let receiver = receiver.lock().unwrap().take().expect("one follower");
            Sse::new(ReceiverStream::new(receiver))
        };
        let log_out = async || ([("set-cookie", "sid=; Max-Age=0; Path=/")], "bye");
        let router = Router::new()
            .route("/events", routing::get(follow))
            .route("/logout", routing::get(log_out))
            .layer(layer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, router).await });
        Self {
            address,
            clock,
            tracker,
            events,
        }
    }

    async fn follow(&self) -> Incoming {
        let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (mut client, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/events")
            .header("host", "localhost")
            .header("cookie", "sid=sesame");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = soon(client.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body()
    }
}

/// Returns the next part of the stream, or nothing at its end.
async fn next(body: &mut Incoming) -> Option<String> {
    let frame = soon(body.frame()).await?.expect("a whole stream");
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_log_out_in_one_tab_ends_the_event_stream_of_another() {
    let site = Site::start().await;
    let mut body = site.follow().await;
    site.events
        .send(Ok(Event::default().data("one")))
        .await
        .unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "data: one\n\n");

    let log_out = ask(site.address, &get("/logout", &["cookie: sid=sesame"])).await;
    assert_eq!(log_out.body, "bye");
    site.clock.advance(SOON);
    let last = next(&mut body).await.unwrap();
    assert_eq!(
        last,
        "event: login-timeout\ndata: {\"reason\":\"revoked\"}\n\n"
    );
    assert_eq!(next(&mut body).await, None);
    soon(site.events.closed()).await;
    // The browser connects again, and is told why it may not.
    let again = ask(site.address, &get("/events", &["cookie: sid=sesame"])).await;
    assert_eq!(again.status(), 440);
}

#[tokio::test]
async fn a_stream_of_a_session_that_goes_on_goes_on() {
    let site = Site::start().await;
    let mut body = site.follow().await;
    for _ in 0..10 {
        site.clock.advance(Duration::from_secs(30));
        site.tracker.touch("sesame").await.unwrap();
        site.events
            .send(Ok(Event::default().data("tick")))
            .await
            .unwrap();
        assert_eq!(next(&mut body).await.unwrap(), "data: tick\n\n");
    }
}
