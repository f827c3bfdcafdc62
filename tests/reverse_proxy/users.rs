//! Tests of the header by which the application says whose a session is.

use axum::Router;
use axum::extract::Path;
use axum::http::header::SET_COOKIE;
use axum::routing::{get as on_get, post};
use std::net::SocketAddr;
use tokio::net::TcpListener;

use crate::common::example;
use crate::common::http1::{Wire, ask, get, request};
use crate::{proxy, scripted};

const SECRET: &str = "a secret of 16 bytes or more";

/// Starts a site that logs in whoever the path names, under the id that it names.
async fn site() -> SocketAddr {
    let log_in = async |Path((user, id)): Path<(String, String)>| {
        let cookie = format!("sid={id}; Path=/; HttpOnly");
        ([(SET_COOKIE.as_str(), cookie), ("x-user", user)], "welcome")
    };
    let router = Router::new()
        .route("/login/{user}/{id}", post(log_in))
        .route("/", on_get("hello"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_user_has_at_most_so_many_sessions() {
    let users = ["--user-header", "X-User", "--user-secret", SECRET];
    let most = ["--max-sessions", "2", "--idle", "20m"];
    let proxy = proxy(site().await, &[users, most].concat());
    for path in [
        "/login/ada/a",
        "/login/ada/b",
        "/login/bob/c",
        "/login/ada/d",
    ] {
        let answer = ask(proxy.address, &request("POST", path, &[], "")).await;
        assert_eq!(answer.body, "welcome");
        assert_eq!(answer.header("x-user"), None, "the header is taken out");
    }
    for (id, status) in [("a", 440), ("b", 200), ("c", 200), ("d", 200)] {
        let cookie = format!("cookie: sid={id}");
        let answer = ask(proxy.address, &get("/", &[&cookie])).await;
        assert_eq!(answer.status(), status, "{id}");
    }
}

/// Logs in twice in an application that writes this name, where a user may have one session.
/// Returns how many live. Of two that begin in one millisecond, either may end.
async fn sessions_of(name: &str) -> usize {
    let users = ["--user-header", "X-User", "--user-secret", SECRET];
    let (script, proxy) = scripted(&[&users[..], &["--max-sessions", "1"]].concat()).await;
    let mut client = Wire::connect(proxy.address).await;
    client.send(&get("/", &[])).await;
    let mut application = script.accept().await;
    let mut statuses = [0; 2];
    for id in ["a", "b"] {
        application.head().await;
        let head = format!("HTTP/1.1 200 OK\r\nset-cookie: sid={id}; Path=/\r\nx-user: {name}\r\n");
        application
            .send(&(head + "content-length: 0\r\n\r\n"))
            .await;
        assert_eq!(client.message().await.header("x-user"), None);
        if id == "a" {
            client.send(&get("/", &[])).await;
        }
    }
    for (id, status) in ["a", "b"].into_iter().zip(&mut statuses) {
        client
            .send(&get("/", &[&format!("cookie: sid={id}")]))
            .await;
        let answer = async {
            application.head().await;
            application
                .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await;
            std::future::pending().await
        };
        let message = tokio::select! {
            message = client.message() => message,
            () = answer => unreachable!("it waits for the client"),
        };
        *status = message.status();
    }
    statuses.iter().filter(|status| **status == 200).count()
}

#[tokio::test]
async fn a_name_may_have_any_characters_and_an_empty_one_is_nobodys() {
    assert_eq!(sessions_of("ada").await, 1);
    assert_eq!(sessions_of("Jürgen").await, 1);
    assert_eq!(sessions_of("").await, 2);
}

#[tokio::test]
async fn without_a_secret_it_says_what_is_missing() {
    let options = ["--upstream", "http://127.0.0.1:1", "--cookie", "sid"];
    let options = [&options[..], &["--user-header", "x-user"]].concat();
    let output = example::run("reverse_proxy", &options);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(error.contains("LOGIN_TIMEOUT_USER_SECRET"), "{error}");
}
