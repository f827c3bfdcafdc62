//! Tests that bodies pass in parts, as they arrive.

use crate::common::http1::{Wire, get, request};
use crate::scripted;

#[tokio::test]
async fn the_first_part_of_a_response_arrives_before_the_last_is_sent() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    client.send(&get("/", &[])).await;
    let mut application = script.accept().await;
    application.message().await;

    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    application.send(head).await;
    assert_eq!(client.head().await.status(), 200);
    for part in ["first", "next"] {
        application
            .send(&format!("{:x}\r\n{part}\r\n", part.len()))
            .await;
        assert_eq!(client.chunk().await, part);
    }
    application.send("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, "");
}

#[tokio::test]
async fn the_first_part_of_a_request_arrives_before_the_last_is_sent() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    client
        .send(&request("POST", "/", &["transfer-encoding: chunked"], ""))
        .await;
    let mut application = script.accept().await;
    application.head().await;
    for part in ["first", "next"] {
        client
            .send(&format!("{:x}\r\n{part}\r\n", part.len()))
            .await;
        assert_eq!(application.chunk().await, part);
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(application.chunk().await, "");
    assert_eq!(application.line().await, "");
    application.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 204);
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_is_complete() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    client
        .send(&request("POST", "/", &["transfer-encoding: chunked"], ""))
        .await;
    let mut application = script.accept().await;
    application.head().await;
    application
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 200);
    client.send("4\r\nping\r\n").await;
    assert_eq!(application.chunk().await, "ping");
    application.send("4\r\npong\r\n").await;
    assert_eq!(client.chunk().await, "pong");
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    let headers = [
        "te: trailers",
        "connection: te",
        "trailer: x-sum",
        "transfer-encoding: chunked",
    ];
    client.send(&request("POST", "/", &headers, "")).await;
    client.send("1\r\na\r\n0\r\nx-sum: up\r\n\r\n").await;
    let mut application = script.accept().await;
    let head = application.head().await;
    assert_eq!(
        (head.header("te"), head.header("connection")),
        (Some("trailers"), Some("te"))
    );
    assert_eq!(application.chunk().await, "a");
    assert_eq!(application.chunk().await, "");
    assert_eq!(application.line().await, "x-sum: up");
    assert_eq!(application.line().await, "");

    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";
    application.send(head).await;
    application.send("1\r\nb\r\n0\r\nx-sum: down\r\n\r\n").await;
    client.head().await;
    assert_eq!(client.chunk().await, "b");
    assert_eq!(client.chunk().await, "");
    assert_eq!(client.line().await, "x-sum: down");
}

#[tokio::test]
async fn a_response_that_breaks_off_does_not_look_complete() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    client.send(&get("/", &[])).await;
    let mut application = script.accept().await;
    application.message().await;
    application
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n")
        .await;
    client.head().await;
    assert_eq!(client.chunk().await, "part");
    drop(application);
    assert_eq!(client.rest().await, "");
}
