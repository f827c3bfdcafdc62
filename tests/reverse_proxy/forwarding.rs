//! Tests of the headers that pass, and of an application that does not answer.

use std::collections::HashSet;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use crate::common::http1::{Wire, ask, get, request, soon};
use crate::common::website;
use crate::{proxy, scripted};

#[tokio::test]
async fn several_set_cookie_headers_stay_apart() {
    let proxy = proxy(website::start().await, &[]);
    let answer = ask(proxy.address, &request("POST", "/login", &[], "")).await;
    let expected = [
        "sid=alpha; Path=/; HttpOnly",
        "theme=dark",
        "lang=en; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
    ];
    assert_eq!(answer.all("set-cookie"), expected);
}

#[tokio::test]
async fn headers_that_a_gateway_takes_for_others_do_not_pass() {
    let proxy = proxy(website::start().await, &[]);
    let odd = ["script_name: /static", "x_real_ip: 192.0.2.1", "x.user: me"];
    let passed = ask(proxy.address, &get("/headers", &odd)).await.body;
    assert!(passed.contains("host: site.example"));
    for line in odd {
        assert!(!passed.lines().any(|found| found == line), "{passed}");
    }
}

#[tokio::test]
async fn the_application_is_told_who_asked_for_which_host() {
    let proxy = proxy(website::start().await, &[]);
    let first = ask(proxy.address, &get("/headers", &[])).await.body;
    for line in [
        "host: site.example",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: site.example",
        "x-forwarded-proto: http",
    ] {
        assert_eq!(
            first.lines().filter(|found| *found == line).count(),
            1,
            "{line}\n{first}"
        );
    }
    let behind_others = [
        "x-forwarded-for: 203.0.113.7",
        "x-forwarded-for: 198.51.100.1, 192.0.2.9",
        "x-forwarded-host: forged.example",
        "x-forwarded-proto: forged",
        // A client cannot remove what the proxy adds.
        "connection: x-forwarded-proto, x-forwarded-host",
    ];
    let later = ask(proxy.address, &get("/headers", &behind_others))
        .await
        .body;
    let chain = "x-forwarded-for: 203.0.113.7, 198.51.100.1, 192.0.2.9, 127.0.0.1\n";
    assert!(later.contains(chain), "{later}");
    assert!(
        later.contains("x-forwarded-host: site.example\n"),
        "{later}"
    );
    assert!(later.contains("x-forwarded-proto: http\n"), "{later}");
    assert!(!later.contains("forged"), "{later}");
}

#[tokio::test]
async fn headers_that_name_another_address_do_not_pass() {
    let other = [
        "forwarded: host=forged.example;proto=https",
        "x-forwarded-port: 8443",
        "x-forwarded-prefix: /forged",
        "x-original-url: /forged",
        "x-rewrite-url: /forged",
    ];
    for options in [&[][..], &["--trusted-proxy", "127.0.0.1"]] {
        let proxy = proxy(website::start().await, options);
        let passed = ask(proxy.address, &get("/headers", &other)).await.body;
        for wrong in ["forged", "8443"] {
            assert!(!passed.contains(wrong), "{passed}");
        }
    }
}

#[tokio::test]
async fn a_get_request_keeps_its_body() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    let head = get("/", &["transfer-encoding: chunked"]);
    client.send(&(head + "3\r\nabc\r\n0\r\n\r\n")).await;
    let mut application = script.accept().await;
    let head = application.head().await;
    assert_eq!(head.all("transfer-encoding"), ["chunked"]);
    assert_eq!(application.chunk().await, "abc");
}

const OF_A_PROXY: [&str; 2] = ["x-forwarded-proto: https", "x-forwarded-host: shop.example"];

#[tokio::test]
async fn a_trusted_proxy_tells_the_scheme_and_the_host() {
    for trusted in ["127.0.0.1", "127.0.0.0/8", "0.0.0.0/0"] {
        let proxy = proxy(
            website::start().await,
            &["--trusted-proxy", "192.0.2.1", "--trusted-proxy", trusted],
        );
        let passed = ask(proxy.address, &get("/headers", &OF_A_PROXY)).await.body;
        for line in OF_A_PROXY.into_iter().chain(["host: site.example"]) {
            let found = passed.lines().filter(|found| *found == line).count();
            assert_eq!(found, 1, "{trusted}: {line}\n{passed}");
        }
        let nothing = ask(proxy.address, &get("/headers", &[])).await.body;
        assert!(nothing.contains("x-forwarded-proto: http\n"), "{nothing}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_tells_nothing() {
    let website = website::start().await;
    for trusted in ["127.0.0.2", "126.0.0.0/8", "127.0.0.2/31", "::/0"] {
        let proxy = proxy(website, &["--trusted-proxy", trusted]);
        let passed = ask(proxy.address, &get("/headers", &OF_A_PROXY)).await.body;
        assert!(passed.contains("x-forwarded-proto: http\n"), "{passed}");
        assert!(!passed.contains("shop.example"), "{passed}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_that_says_two_things_or_nonsense_tells_nothing() {
    let proxy = proxy(website::start().await, &["--trusted-proxy", "127.0.0.1"]);
    for (said, wrong) in [
        (
            &["x-forwarded-proto: https", "x-forwarded-proto: http"][..],
            "https",
        ),
        (&["x-forwarded-proto: https, http"], "https"),
        (&["x-forwarded-proto: javascript"], "javascript"),
        (&["x-forwarded-host: a.example, b.example"], "a.example"),
        (&["x-forwarded-host: a.example/path"], "a.example"),
        (&["x-forwarded-host: me@a.example"], "a.example"),
    ] {
        let passed = ask(proxy.address, &get("/headers", said)).await.body;
        assert!(!passed.contains(wrong), "{said:?}: {passed}");
        assert!(
            passed.contains("x-forwarded-host: site.example\n"),
            "{passed}"
        );
    }
}

#[tokio::test]
async fn headers_of_one_connection_are_not_passed_on() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    let sent = [
        "connection: keep-alive, X-Hop",
        "x-hop: 1",
        "keep-alive: timeout=5",
        "proxy-connection: keep-alive",
        "te: gzip",
        "upgrade: h2c",
        "x-end: 1",
    ];
    client.send(&get("/", &sent)).await;
    let mut application = script.accept().await;
    let received = application.message().await;
    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
    ] {
        assert_eq!(received.header(name), None, "{name}");
    }
    assert_eq!(received.header("x-end"), Some("1"));

    let response = "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
                    upgrade: h2c\r\nx-end: 1\r\ncontent-length: 2\r\n\r\nok";
    application.send(response).await;
    let answer = client.message().await;
    for name in ["connection", "x-hop", "keep-alive", "upgrade"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!((answer.header("x-end"), &*answer.body), (Some("1"), "ok"));
}

#[tokio::test]
async fn the_request_arrives_as_it_was_sent() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    client
        .send(&request(
            "PATCH",
            "/a%2Fb//c?d=e%20f&g",
            &["x-a: 1", "x-a: 2"],
            "body",
        ))
        .await;
    let mut application = script.accept().await;
    let received = application.message().await;
    assert_eq!(received.start, "PATCH /a%2Fb//c?d=e%20f&g HTTP/1.1");
    assert_eq!(received.all("x-a"), ["1", "2"]);
    assert_eq!(received.body, "body");
    application
        .send("HTTP/1.1 418 Short and stout\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(client.message().await.start, "HTTP/1.1 418 Short and stout");
}

#[tokio::test]
async fn connections_to_the_application_are_used_again() {
    let website = website::start().await;
    let proxy = proxy(website, &[]);
    let mut ports = HashSet::new();
    for _ in 0..50 {
        let port = ask(proxy.address, &get("/port", &[])).await.body;
        ports.insert(port);
    }
    // A connection may not be free again when the next request comes.
    assert!(ports.len() < 25, "{} connections", ports.len());
}

#[tokio::test]
async fn a_request_on_http2_becomes_one_on_http1() {
    let proxy = proxy(website::start().await, &[]);
    ask(proxy.address, &request("POST", "/login", &[], "")).await;
    let stream = soon(TcpStream::connect(proxy.address)).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = soon(handshake).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://site.example/headers")
        .version(Version::HTTP_2)
        .header("cookie", "theme=dark")
        .header("cookie", "sid=alpha")
        .header("cookie", "lang=en")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(
        (answer.version(), answer.status().as_u16()),
        (Version::HTTP_2, 200)
    );
    let body = soon(answer.into_body().collect()).await.unwrap().to_bytes();
    let headers = str::from_utf8(&body).unwrap();
    assert!(headers.contains("host: site.example\n"), "{headers}");
    assert!(
        headers.contains("x-forwarded-host: site.example\n"),
        "{headers}"
    );
    assert!(
        headers.contains("cookie: sid=alpha; theme=dark; lang=en\n"),
        "{headers}"
    );
}

#[tokio::test]
async fn an_application_that_is_not_there_is_a_502() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let proxy = proxy(address, &[]);
    let answer = ask(proxy.address, &get("/", &[])).await;
    assert_eq!(answer.start, "HTTP/1.1 502 Bad Gateway");
    assert!(
        !answer.body.contains(&address.to_string()),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn an_application_that_hangs_up_is_a_502_and_the_next_request_is_served() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    client.send(&get("/", &[])).await;
    let mut application = script.accept().await;
    application.message().await;
    drop(application);
    assert_eq!(client.message().await.status(), 502);

    client.send(&get("/", &[])).await;
    let mut application = script.accept().await;
    application.message().await;
    application
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    assert_eq!(client.message().await.body, "ok");
}

#[tokio::test]
async fn a_connect_request_is_refused() {
    let proxy = proxy(website::start().await, &[]);
    let connect = "CONNECT other.example:443 HTTP/1.1\r\nhost: other.example:443\r\n\r\n";
    assert_eq!(ask(proxy.address, connect).await.status(), 400);
}

#[tokio::test]
async fn ctrl_c_lets_open_requests_finish() {
    let (script, proxy) = scripted(&[]).await;
    let mut client = Wire::connect(proxy.address).await;
    client.send(&get("/", &[])).await;
    let mut application = script.accept().await;
    application.message().await;
    proxy.interrupt();
    soon(async { while TcpStream::connect(proxy.address).await.is_ok() {} }).await;
    application
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    assert_eq!(client.message().await.body, "ok");
    assert!(proxy.ended().success());
}
