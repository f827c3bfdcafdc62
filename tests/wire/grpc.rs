//! Test of the layer in a tonic server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut};
use http::HeaderName;
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{StreamExt, once};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::{Service, ServiceBuilder, service_fn};
use tower_login_timeout::{HeaderId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy, Tracker};

use crate::IDLE;
use crate::common::http1::soon;

const WATCH: &str = "/greet.Greeter/Watch";
const CHAT: &str = "/greet.Greeter/Chat";
/// Longer than `look_every`.
const SOON: Duration = Duration::from_secs(6);

/// A service with three methods, like generated code, but with plain text as messages.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greet.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let greet = service_fn(async |request: Request<String>| {
            let name = request.into_inner();
            Ok::<_, Status>(Response::new(format!("hello, {name}")))
        });
        // Says hello once, and then nothing more.
        let watch = service_fn(async |request: Request<String>| {
            let (sender, receiver) = mpsc::channel(1);
            let hello = format!("hello, {}", request.into_inner());
            sender.send(Ok(hello)).await.unwrap();
            tokio::spawn(async move { sender.closed().await });
            Ok::<_, Status>(Response::new(ReceiverStream::new(receiver)))
        });
        // Says hello to each name.
        let chat = service_fn(async |request: Request<Streaming<String>>| {
            let names = request.into_inner();
            let hello = |name: Result<String, Status>| name.map(|name| format!("hello, {name}"));
            Ok::<_, Status>(Response::new(names.map(hello)))
        });
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Text);
            Ok(match request.uri().path() {
                WATCH => grpc.server_streaming(watch, request).await,
                CHAT => grpc.streaming(chat, request).await,
                _ => grpc.unary(greet, request).await,
            })
        })
    }
}

#[derive(Clone, Copy)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(String::from_utf8(bytes.to_vec()).unwrap()))
    }
}

async fn serve() -> (SocketAddr, ManualClock, Tracker) {
    let clock = ManualClock::new();
    let policy = Policy::builder().with_idle(IDLE).build().unwrap();
    let identify = HeaderId::new(HeaderName::from_static("x-session"));
    let layer =
        LoginTimeoutLayer::new(policy, identify, MemoryStore::new()).with_clock(clock.clone());
    let tracker = layer.tracker();
    tracker.start("sesame").await.unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(ServiceBuilder::new().layer(layer).into_inner())
        .add_service(Greeter);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    (address, clock, tracker)
}

async fn connect(address: SocketAddr) -> tonic::client::Grpc<Channel> {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = tonic::client::Grpc::new(soon(endpoint.connect()).await.unwrap());
    soon(client.ready()).await.unwrap();
    client
}

/// Adds the session to a request.
fn with_session<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let session = "sesame".parse().unwrap();
    request.metadata_mut().insert("x-session", session);
    request
}

fn is_logged_out(status: &Status) -> bool {
    let reason = status.metadata().get("login-timeout-reason");
    status.code() == Code::Unauthenticated && reason.is_some_and(|reason| reason == "revoked")
}

async fn greet(channel: Channel, session: Option<&str>) -> Result<Response<String>, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    soon(client.ready()).await.unwrap();
    let mut request = Request::new("Ada".to_owned());
    if let Some(session) = session {
        request
            .metadata_mut()
            .insert("x-session", session.parse().unwrap());
    }
    let path = PathAndQuery::from_static("/greet.Greeter/Greet");
    soon(client.unary(request, path, Text)).await
}

#[tokio::test]
async fn an_expired_session_is_unauthenticated_and_the_others_are_served() {
    let (address, clock, _) = serve().await;
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    let channel = soon(endpoint.connect()).await.unwrap();
    for session in [None, Some("sesame")] {
        let answer = greet(channel.clone(), session).await.unwrap();
        assert_eq!(answer.into_inner(), "hello, Ada");
    }

    clock.advance(IDLE);
    let status = greet(channel.clone(), Some("sesame")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(
        status.message(),
        "Your session has expired. Please log in again."
    );
    let reason = status.metadata().get("login-timeout-reason").unwrap();
    assert_eq!(reason, "idle");

    // The channel still works.
    assert!(greet(channel, None).await.is_ok());
}

#[tokio::test]
async fn a_server_stream_ends_with_its_session() {
    let (address, clock, tracker) = serve().await;
    let mut client = connect(address).await;
    let path = PathAndQuery::from_static(WATCH);
    let watch = client.server_streaming(with_session("Ada".to_owned()), path, Text);
    let mut greetings = soon(watch).await.unwrap().into_inner();
    let first = soon(greetings.message()).await.unwrap();
    assert_eq!(first.as_deref(), Some("hello, Ada"));

    tracker.revoke("sesame").await.unwrap();
    clock.advance(SOON);
    let status = soon(greetings.message()).await.unwrap_err();
    assert!(is_logged_out(&status), "{status:?}");
}

#[tokio::test]
async fn a_stream_in_both_directions_ends_with_its_session() {
    let (address, clock, tracker) = serve().await;
    let mut client = connect(address).await;
    let (names, receiver) = mpsc::channel(1);
    names.send("Ada".to_owned()).await.unwrap();
    let path = PathAndQuery::from_static(CHAT);
    let chat = client.streaming(with_session(ReceiverStream::new(receiver)), path, Text);
    let mut greetings = soon(chat).await.unwrap().into_inner();
    for name in ["Ada", "Bob"] {
        let greeting = soon(greetings.message()).await.unwrap();
        assert_eq!(greeting, Some(format!("hello, {name}")));
        names.send("Bob".to_owned()).await.unwrap();
    }
    assert!(soon(greetings.message()).await.unwrap().is_some());

    tracker.revoke("sesame").await.unwrap();
    clock.advance(SOON);
    let status = soon(greetings.message()).await.unwrap_err();
    assert!(is_logged_out(&status), "{status:?}");
}

#[tokio::test]
async fn a_call_that_ends_by_itself_keeps_its_status() {
    let (address, ..) = serve().await;
    let mut client = connect(address).await;
    let path = PathAndQuery::from_static(CHAT);
    let chat = client.streaming(with_session(once("Ada".to_owned())), path, Text);
    let mut greetings = soon(chat).await.unwrap().into_inner();
    assert!(soon(greetings.message()).await.unwrap().is_some());
    assert_eq!(soon(greetings.message()).await.unwrap(), None);
}
