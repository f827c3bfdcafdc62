//! Tests of the answers on HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::ext::ReasonPhrase;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::common::http1::soon;
use crate::{IDLE, layer, serve_hyper};

async fn send(address: SocketAddr, request: http::request::Builder) -> Response<Incoming> {
    let stream = soon(TcpStream::connect(address)).await.unwrap();
    let (mut sender, connection) =
        soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream)))
            .await
            .unwrap();
    tokio::spawn(connection);
    soon(sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()))
        .await
        .unwrap()
}

fn get() -> http::request::Builder {
    Request::get("http://site.example/").version(Version::HTTP_2)
}

#[tokio::test]
async fn an_expired_session_is_answered_440_without_a_phrase() {
    let (layer, clock) = layer().await;
    let address = serve_hyper(layer).await;
    let live = send(address, get().header("cookie", "sid=sesame")).await;
    assert_eq!(live.status(), 200);

    clock.advance(IDLE);
    let answer = send(address, get().header("cookie", "sid=sesame")).await;
    assert_eq!(
        (answer.version(), answer.status().as_u16()),
        (Version::HTTP_2, 440)
    );
    assert!(answer.extensions().get::<ReasonPhrase>().is_none());
    let headers = answer.headers();
    assert_eq!(headers["login-timeout-reason"], "idle");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(
        headers["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("sid=; Path=/; Max-Age=0")
    );
    let body = soon(answer.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(
        body,
        "<html><body>Your session has expired. Please log in again.</body></html>"
    );
}

#[tokio::test]
async fn the_cookie_is_found_in_whichever_line_it_stands() {
    let (layer, clock) = layer().await;
    let address = serve_hyper(layer).await;
    clock.advance(IDLE);
    let split = get()
        .header("cookie", "theme=dark")
        .header("cookie", "sid=sesame");
    assert_eq!(send(address, split).await.status().as_u16(), 440);
}
