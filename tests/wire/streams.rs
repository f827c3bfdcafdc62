//! Tests of event streams through axum and a real socket.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::sse::{Event, Sse};
use axum::routing;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{StreamExt, once, pending};
use tower_login_timeout::{ManualClock, Tracker, rule};

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
        let export =
            async || Body::from_stream(once(Ok::<_, Infallible>("row\n")).chain(pending()));
        let log_out = async || ([("set-cookie", "sid=; Max-Age=0; Path=/")], "bye");
        let router = Router::new()
            .route("/events", routing::get(follow))
            .route("/export", routing::get(export))
            .route("/logout", routing::get(log_out))
            .layer(layer.with_streaming(rule::path("/export")));
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

/// Starts curl, and waits for the first line that it prints.
async fn curl(site: &Site, path: &str) -> (Child, BufReader<ChildStdout>, String) {
    let url = format!("http://{}{path}", site.address);
    let start = move || {
        let mut curl = Command::new("curl");
        curl.args(["-sN", "-b", "sid=sesame", &url]);
        let mut child = curl.stdout(Stdio::piped()).spawn().expect("curl runs");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        (child, lines, first)
    };
    soon(spawn_blocking(start)).await.unwrap()
}

/// Moves the clock on until curl ends. Returns what it printed after the first line, and its code.
async fn until_it_ends(
    site: &Site,
    (mut child, mut lines, _): (Child, BufReader<ChildStdout>, String),
) -> (String, Option<i32>) {
    let mut ended = spawn_blocking(move || {
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        (rest, child.wait().unwrap().code())
    });
    let end = async {
        loop {
            site.clock.advance(Duration::from_secs(1));
            let waited = tokio::time::timeout(Duration::from_millis(20), &mut ended).await;
            if let Ok(ended) = waited {
                return ended.unwrap();
            }
        }
    };
    soon(end).await
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_a_whole_event_stream_and_notices_a_download_that_breaks_off() {
    let site = Site::start().await;
    let events = async {
        let one = Event::default().data("one");
        site.events.send(Ok(one)).await.unwrap();
        curl(&site, "/events").await
    };
    let (events, export) = (events.await, curl(&site, "/export").await);
    assert_eq!((&*events.2, &*export.2), ("data: one\n", "row\n"));
    site.tracker.revoke("sesame").await.unwrap();
    let (rest, code) = until_it_ends(&site, events).await;
    assert!(rest.contains("event: login-timeout\n"), "{rest}");
    assert_eq!(code, Some(0));
    // 18 is "partial file".
    assert_eq!(
        until_it_ends(&site, export).await,
        (String::new(), Some(18))
    );
}
