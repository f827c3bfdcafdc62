//! Tests of streaming responses, which end with their session.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use tokio::sync::mpsc;
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{
    BoxError, Clock, Expired, LoginTimeoutLayer, ManualClock, MemoryStore, Reason, ResponseBody,
    rule,
};

use crate::common::site::{ABSOLUTE, IDLE, cookie_layer, policy, request};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than `look_every`.
const SOON: Duration = Duration::from_secs(6);

/// A body that yields what is sent to it.
struct Sent(mpsc::UnboundedReceiver<Frame<Bytes>>);

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// One open stream of the session `a`.
struct Stream {
    layer: LoginTimeoutLayer<MemoryStore>,
    clock: ManualClock,
    sender: mpsc::UnboundedSender<Frame<Bytes>>,
    body: Pin<Box<ResponseBody<Sent>>>,
}

impl Stream {
    async fn open(headers: &[(&'static str, &'static str)]) -> Self {
        Self::open_behind(headers, |layer| layer).await
    }

    async fn open_behind(
        headers: &[(&'static str, &'static str)],
        configure: impl FnOnce(LoginTimeoutLayer<MemoryStore>) -> LoginTimeoutLayer<MemoryStore>,
    ) -> Self {
        let (layer, clock) = cookie_layer(policy(), MemoryStore::new());
        let layer = configure(layer);
        layer.tracker().start("a").await.unwrap();
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut response = Response::new(Sent(receiver));
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        let response = std::sync::Mutex::new(Some(response));
        let response = std::sync::Arc::new(response);
        let service = service_fn(move |_| {
            let response = response.lock().unwrap().take().unwrap();
            async { Ok::<_, Infallible>(response) }
        });
        let response = layer
            .layer(service)
            .oneshot(request("/", "a"))
            .await
            .unwrap();
        Self {
            layer,
            clock,
            sender,
            body: Box::pin(response.into_body()),
        }
    }

    fn send(&self, data: &'static str) {
        let _ = self
            .sender
            .send(Frame::data(Bytes::from_static(data.as_bytes())));
    }

    /// Returns the next part of the stream, or its end. It is pending if nothing comes now.
    fn next(&mut self) -> Poll<Option<Frame<Bytes>>> {
        self.poll().map(|frame| frame.map(Result::unwrap))
    }

    fn poll(&mut self) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut context = Context::from_waker(Waker::noop());
        self.body.as_mut().poll_frame(&mut context)
    }

    /// Expects the stream to go on, and to break off soon after a log-out.
    async fn breaks_off_after_a_log_out(mut self) {
        assert!(self.next_within(IDLE / 2).is_pending());
        self.log_out().await;
        self.clock.advance(SOON);
        let Poll::Ready(Some(Err(error))) = self.poll() else {
            panic!("it goes on");
        };
        let expired: &Expired = error.downcast_ref().unwrap();
        assert_eq!(expired.reason(), Reason::Revoked);
        assert_eq!(error.to_string(), "the session is over: revoked");
        assert!(is_end(&self.next()));
        assert!(self.sender.is_closed(), "the producer notices");
    }

    /// Moves the clock on while the stream is polled, as a server polls it. Returns what comes.
    fn next_within(&mut self, time: Duration) -> Poll<Option<Frame<Bytes>>> {
        let until = self.clock.now().saturating_add(time);
        loop {
            let next = self.next();
            if next.is_ready() || self.clock.now() >= until {
                return next;
            }
            self.clock.advance(SECOND / 4);
        }
    }

    fn data(&mut self) -> String {
        text(self.next())
    }

    async fn log_out(&self) {
        self.layer.tracker().revoke("a").await.unwrap();
    }
}

fn text(next: Poll<Option<Frame<Bytes>>>) -> String {
    match next {
        Poll::Ready(Some(frame)) => String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn is_end(next: &Poll<Option<Frame<Bytes>>>) -> bool {
    matches!(next, Poll::Ready(None))
}

const EVENTS: [(&str, &str); 1] = [("content-type", "text/event-stream")];
const GRPC: [(&str, &str); 1] = [("content-type", "application/grpc")];
const LOGGED_OUT: &str = "event: login-timeout\ndata: {\"reason\":\"revoked\"}\n\n";

#[tokio::test]
async fn an_event_stream_gets_a_last_event_after_a_log_out() {
    let mut stream = Stream::open(&EVENTS).await;
    stream.send("data: one\n\n");
    assert_eq!(stream.data(), "data: one\n\n");
    assert!(stream.next_within(IDLE / 2).is_pending());
    stream.log_out().await;
    assert_eq!(text(stream.next_within(SOON)), LOGGED_OUT);
    assert!(is_end(&stream.next()));
    assert!(stream.body.is_end_stream());
    assert!(stream.sender.is_closed(), "the producer notices");
}

#[tokio::test]
async fn a_stream_is_no_activity() {
    let mut stream = Stream::open(&EVENTS).await;
    let began = stream.clock.now();
    let last = loop {
        stream.send("data: tick\n\n");
        let found = text(stream.next_within(SECOND));
        if found != "data: tick\n\n" {
            break found;
        }
        stream.clock.advance(SECOND);
    };
    assert!(last.contains(r#"{"reason":"idle"}"#), "{last}");
    let took = stream.clock.now().saturating_duration_since(began);
    assert!((IDLE..IDLE + 2 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test]
async fn the_absolute_timeout_cuts_a_stream_that_is_never_idle() {
    let mut stream = Stream::open(&EVENTS).await;
    let began = stream.clock.now();
    let session = stream.layer.tracker();
    loop {
        // The body is always ready, so that nothing but its own polls can end it.
        stream.send("data: tick\n\n");
        if stream.data() != "data: tick\n\n" {
            break;
        }
        session.touch("a").await.unwrap();
        stream.clock.advance(SECOND);
        // A task that never yields is made to wait by tokio.
        tokio::task::yield_now().await;
    }
    let took = stream.clock.now().saturating_duration_since(began);
    assert!(
        (ABSOLUTE..ABSOLUTE + 2 * SECOND).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn the_last_event_is_no_part_of_another_one() {
    let cases = [
        ("data: one\n\n", true),
        ("data: one\r\n\r\n", true),
        ("data: one\r\r", true),
        ("data: one\n", false),
        ("data: on", false),
    ];
    for (sent, is_whole) in cases {
        let mut stream = Stream::open(&EVENTS).await;
        stream.send(sent);
        assert_eq!(stream.data(), sent);
        stream.log_out().await;
        let last = stream.next_within(SOON);
        if is_whole {
            assert_eq!(text(last), LOGGED_OUT, "{sent:?}");
        } else {
            assert!(is_end(&last), "{sent:?}: {last:?}");
        }
        assert!(is_end(&stream.next()));
    }
    // The blank line may come in parts, and there may be no event at all.
    for parts in [&["data: one\n", "\n"][..], &[]] {
        let mut stream = Stream::open(&EVENTS).await;
        for part in parts {
            stream.send(part);
            assert_eq!(stream.data(), *part);
        }
        stream.log_out().await;
        assert_eq!(text(stream.next_within(SOON)), LOGGED_OUT);
    }
}

#[tokio::test]
async fn a_grpc_stream_gets_trailers() {
    let mut stream = Stream::open(&GRPC).await;
    stream.send("message");
    assert_eq!(stream.data(), "message");
    stream.log_out().await;
    let Poll::Ready(Some(frame)) = stream.next_within(SOON) else {
        panic!("no trailers");
    };
    let trailers: HeaderMap = frame.into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "16");
    assert_eq!(trailers["login-timeout-reason"], "revoked");
    assert!(is_end(&stream.next()));
}

#[tokio::test]
async fn an_encoded_stream_breaks_off() {
    let encoded = [EVENTS[0], ("content-encoding", "gzip")];
    let stream = Stream::open(&encoded).await;
    stream.breaks_off_after_a_log_out().await;
}

#[tokio::test]
async fn a_response_that_a_rule_names_breaks_off() {
    for headers in [
        &[("content-type", "application/x-ndjson")][..],
        &[("content-length", "9")],
        &[],
    ] {
        let streaming = |layer: LoginTimeoutLayer<_>| layer.with_streaming(rule::path("/"));
        let stream = Stream::open_behind(headers, streaming).await;
        stream.breaks_off_after_a_log_out().await;
    }
    // Where an end can be written, it is.
    let streaming = |layer: LoginTimeoutLayer<_>| layer.with_streaming(rule::path("/"));
    let mut stream = Stream::open_behind(&EVENTS, streaming).await;
    stream.log_out().await;
    assert_eq!(text(stream.next_within(SOON)), LOGGED_OUT);
}

#[tokio::test]
async fn a_stream_whose_response_gives_the_session_a_new_id_ends_with_it() {
    let rotating = [EVENTS[0], ("set-cookie", "sid=b")];
    let mut stream = Stream::open(&rotating).await;
    assert!(stream.next_within(IDLE / 2).is_pending());
    stream.layer.tracker().revoke("b").await.unwrap();
    assert_eq!(text(stream.next_within(SOON)), LOGGED_OUT);
    assert!(is_end(&stream.next()));
}

/// The user logs out in another tab while the application answers.
#[tokio::test]
async fn a_stream_ends_whose_session_ended_before_it_began() {
    for cookie in [None, Some("sid=b")] {
        let (layer, clock) = cookie_layer(policy(), MemoryStore::new());
        let tracker = layer.tracker();
        tracker.start("a").await.unwrap();
        let (sender, receiver) = mpsc::unbounded_channel();
        let body = std::sync::Mutex::new(Some(Sent(receiver)));
        let service = service_fn(|_| async {
            tracker.revoke("a").await.unwrap();
            let mut response = Response::new(body.lock().unwrap().take().unwrap());
            let headers = response.headers_mut();
            headers.insert("content-type", "text/event-stream".parse().unwrap());
            if let Some(cookie) = cookie {
                headers.insert("set-cookie", cookie.parse().unwrap());
            }
            Ok::<_, Infallible>(response)
        });
        let response = layer.clone().layer(service).oneshot(request("/", "a"));
        let body = Box::pin(response.await.unwrap().into_body());
        let mut stream = Stream {
            layer,
            clock,
            sender,
            body,
        };
        let _ = stream.next();
        stream.clock.advance(SOON);
        assert!(stream.next().is_ready(), "{cookie:?}: it goes on");
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_left_alone() {
    for headers in [
        &[("content-type", "text/html")][..],
        &[],
        &[EVENTS[0], ("content-length", "9")],
    ] {
        let mut stream = Stream::open(headers).await;
        stream.log_out().await;
        assert!(stream.next_within(2 * ABSOLUTE).is_pending(), "{headers:?}");
        stream.send("goes on\n\n");
        assert_eq!(stream.data(), "goes on\n\n");
    }
}

#[tokio::test]
async fn streams_go_on_where_that_is_wanted() {
    let mut stream = Stream::open_behind(&EVENTS, |layer| layer.with_endless_streams()).await;
    stream.log_out().await;
    assert!(stream.next_within(2 * ABSOLUTE).is_pending());
}

#[tokio::test]
async fn a_short_response_costs_no_timer_and_passes_whole() {
    let mut stream = Stream::open(&GRPC).await;
    stream.send("message");
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    stream.sender.send(Frame::trailers(trailers)).unwrap();
    // The session ends while the response is on its way. The response is not cut.
    stream.log_out().await;
    stream.clock.advance(ABSOLUTE);
    assert_eq!(stream.data(), "message");
    let Poll::Ready(Some(frame)) = stream.next() else {
        panic!("no trailers");
    };
    assert_eq!(frame.into_trailers().unwrap()["grpc-status"], "0");
}
