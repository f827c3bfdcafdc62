//! Tests of WebSockets: bytes pass both ways, and the socket closes with its session.

use crate::common::http1::{Wire, ask, get, request};
use crate::{Script, scripted};

const UPGRADE: [&str; 2] = ["connection: keep-alive, Upgrade", "upgrade: WebSocket"];
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-accept: key\r\n\r\n";

/// Lets the application answer the next request.
async fn answered(script: &Script, client: &mut Wire, request: &str, response: &str) -> Wire {
    client.send(request).await;
    let mut application = script.accept().await;
    application.message().await;
    application.send(response).await;
    application
}

#[tokio::test]
async fn bytes_pass_both_ways_until_one_side_closes() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    client.send(&get("/chat", &UPGRADE)).await;
    let mut application = script.accept().await;
    let received = application.message().await;
    assert_eq!(received.header("upgrade"), Some("websocket"));
    assert_eq!(received.header("connection"), Some("upgrade"));
    application.send(SWITCHING).await;
    let answer = client.message().await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("x-accept"), Some("key"));

    client.send("\0ping").await;
    assert_eq!(application.text(5).await, "\0ping");
    application.send("pong").await;
    assert_eq!(client.text(4).await, "pong");
    drop(application);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn no_other_protocol_passes() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    let h2c = [
        "connection: upgrade, http2-settings",
        "upgrade: h2c",
        "http2-settings: AAMAAABkAAQAAP__",
    ];
    client.send(&get("/", &h2c)).await;
    let mut application = script.accept().await;
    let received = application.message().await;
    assert_eq!(received.header("upgrade"), None);
    assert_eq!(received.header("http2-settings"), None);
    // The same for an application that upgrades although nobody asked.
    application.send(SWITCHING).await;
    assert_eq!(client.message().await.status(), 502);
}

#[tokio::test]
async fn an_application_may_decline() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    let declined = "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno";
    answered(&script, &mut client, &get("/chat", &UPGRADE), declined).await;
    let answer = client.message().await;
    assert_eq!((answer.status(), &*answer.body), (426, "no"));
}

#[tokio::test]
async fn an_expired_session_opens_none() {
    let (_script, proxy) = scripted(&[]).await;
    let headers = [&UPGRADE[..], &["cookie: sid=forged"]].concat();
    assert_eq!(
        ask(proxy.address, &get("/chat", &headers)).await.status(),
        440
    );
}

#[tokio::test]
async fn it_closes_when_its_session_is_idle_or_logged_out() {
    // Each request has a new connection, so it does not matter which one the proxy uses.
    let logged_in = "HTTP/1.1 200 OK\r\nconnection: close\r\nset-cookie: sid=alpha\r\ncontent-length: 0\r\n\r\n";
    let logged_out = "HTTP/1.1 200 OK\r\nconnection: close\r\nset-cookie: sid=; Max-Age=0\r\ncontent-length: 0\r\n\r\n";
    let cookie = "cookie: sid=alpha";
    for (idle, log_out) in [("1s", None), ("20m", Some(logged_out))] {
        let (script, proxy) = scripted(&["--idle", idle]).await;
        let mut visitor = Wire::connect(proxy.address).await;
        let log_in = request("POST", "/login", &[], "");
        answered(&script, &mut visitor, &log_in, logged_in).await;
        visitor.message().await;

        let mut socket = Wire::connect(proxy.address).await;
        let chat = get("/chat", &[&UPGRADE[..], &[cookie]].concat());
        let mut application = answered(&script, &mut socket, &chat, SWITCHING).await;
        assert_eq!(socket.message().await.status(), 101);
        application.send("open").await;
        assert_eq!(socket.text(4).await, "open");

        if let Some(log_out) = log_out {
            let request = request("POST", "/logout", &[cookie], "");
            answered(&script, &mut visitor, &request, log_out).await;
            visitor.message().await;
        }
        assert_eq!(socket.rest().await, "");
        assert_eq!(application.rest().await, "");
    }
}
