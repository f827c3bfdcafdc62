//! A tonic server with an interceptor inside the timeouts, and what goes wrong in another order.

#[allow(dead_code)]
#[path = "../examples/tonic.rs"]
mod example;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use example::{Greeter, IDLE, serve, timeouts};
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tonic::client::Grpc;
use tonic::service::InterceptorLayer;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Status};
use tower_login_timeout::ManualClock;
use tower_login_timeout_stacks::text::Text;

/// How often the layer looks whether the session of a stream has ended.
const LOOK: Duration = Duration::from_secs(5);
/// How long a test waits at most.
const SOON: Duration = Duration::from_secs(10);

struct Client {
    grpc: Grpc<Channel>,
    token: String,
}

impl Client {
    async fn new(address: SocketAddr) -> Self {
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let grpc = Grpc::new(endpoint.connect().await.unwrap());
        let token = String::new();
        Self { grpc, token }
    }

    fn request(&self, message: &str) -> Request<String> {
        let mut request = Request::new(message.to_owned());
        if !self.token.is_empty() {
            let value = format!("Bearer {}", self.token).parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    async fn call(&mut self, method: &'static str) -> Result<String, Status> {
        let request = self.request("ada");
        self.grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static(method);
        let answer = self.grpc.unary(request, path, Text).await?;
        Ok(answer.into_inner())
    }

    async fn watch(&mut self) -> tonic::Streaming<String> {
        let request = self.request("");
        self.grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static("/greet.Greeter/Watch");
        let answer = self.grpc.server_streaming(request, path, Text).await;
        answer.unwrap().into_inner()
    }

    async fn log_in(&mut self) {
        self.token = self.call("/greet.Doorkeeper/LogIn").await.unwrap();
    }

    async fn greet(&mut self) -> Result<String, Status> {
        self.call("/greet.Greeter/Greet").await
    }
}

async fn started() -> (Client, ManualClock) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = ManualClock::new();
    let of_server = clock.clone();
    tokio::spawn(async move { serve(listener, of_server).await.unwrap() });
    (Client::new(address).await, clock)
}

fn reason(status: &Status) -> &str {
    let reason = status.metadata().get("login-timeout-reason");
    reason.map_or("", |reason| reason.to_str().unwrap())
}

#[tokio::test]
async fn a_call_without_a_token_is_refused_by_the_interceptor() {
    let (mut client, _) = started().await;
    let status = client.greet().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!((status.message(), reason(&status)), ("please log in", ""));
}

#[tokio::test]
async fn a_token_lives_until_it_is_idle() {
    let (mut client, clock) = started().await;
    client.log_in().await;
    assert_eq!(client.greet().await.unwrap(), "hello, ada");
    clock.advance(IDLE);
    let status = client.greet().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(reason(&status), "idle");
    // The new token of another log-in works.
    client.token.clear();
    client.log_in().await;
    assert_eq!(client.greet().await.unwrap(), "hello, ada");
}

#[tokio::test]
async fn a_log_out_ends_the_token_and_its_streams() {
    let (mut client, clock) = started().await;
    client.log_in().await;
    let mut watch = client.watch().await;
    assert_eq!(watch.next().await.unwrap().unwrap(), "hello, ada");
    assert_eq!(
        client.call("/greet.Greeter/LogOut").await.unwrap(),
        "goodbye"
    );
    clock.advance(LOOK);
    let next = tokio::time::timeout(SOON, watch.next()).await.unwrap();
    let status = next.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(reason(&client.greet().await.unwrap_err()), "revoked");
}

/// Where the interceptor is, as the timeouts see it.
#[derive(PartialEq)]
enum Place {
    Inside,
    Outside,
}

/// Serves with an interceptor that counts, outside or inside the timeouts. Returns how many calls
/// of an ended session reach the interceptor.
async fn calls_of_an_ended_session(place: Place) -> usize {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let interceptor = InterceptorLayer::new(move |request: Request<()>| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(request)
    });
    let timeouts = timeouts(ManualClock::new()).unwrap();
    let tracker = timeouts.tracker();
    tracker.start("sesame").await.unwrap();
    tracker.revoke("sesame").await.unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpIncoming::from(listener);
    if place == Place::Outside {
        let mut server = Server::builder().layer(interceptor).layer(timeouts);
        tokio::spawn(server.add_service(Greeter).serve_with_incoming(incoming));
    } else {
        let mut server = Server::builder().layer(timeouts).layer(interceptor);
        tokio::spawn(server.add_service(Greeter).serve_with_incoming(incoming));
    }
    let mut client = Client::new(address).await;
    client.token = "sesame".to_owned();
    assert_eq!(reason(&client.greet().await.unwrap_err()), "revoked");
    calls.load(Ordering::Relaxed)
}

#[tokio::test]
async fn an_interceptor_inside_sees_no_call_of_an_ended_session() {
    assert_eq!(calls_of_an_ended_session(Place::Inside).await, 0);
}

#[tokio::test]
async fn wrong_order_an_interceptor_outside_sees_the_calls_of_ended_sessions() {
    assert_eq!(calls_of_an_ended_session(Place::Outside).await, 1);
}
