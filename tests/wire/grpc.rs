//! Test of the layer in a tonic server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use http::HeaderName;
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};
use tower::{Service, ServiceBuilder, service_fn};
use tower_login_timeout::{HeaderId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy};

use crate::IDLE;
use crate::common::http1::soon;

/// A service with one method, like generated code, but with plain text as messages.
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
        Box::pin(async move { Ok(tonic::server::Grpc::new(Text).unary(greet, request).await) })
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

async fn serve() -> (SocketAddr, ManualClock) {
    let clock = ManualClock::new();
    let policy = Policy::builder().with_idle(IDLE).build().unwrap();
    let identify = HeaderId::new(HeaderName::from_static("x-session"));
    let layer =
        LoginTimeoutLayer::new(policy, identify, MemoryStore::new()).with_clock(clock.clone());
    layer.tracker().start("sesame").await.unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(ServiceBuilder::new().layer(layer).into_inner())
        .add_service(Greeter);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    (address, clock)
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
    let (address, clock) = serve().await;
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
