//! Tests of the answers through nginx and Caddy with TLS.

use std::net::SocketAddr;

use super::members::{Events, Members, routes, serve, with_login_page};
use super::proxy;
use super::terminator::Terminator;
use super::tls::{Secure, curl, jar, replaced};
use crate::common::http1::{ask, get};
use crate::common::servers::Server;
use crate::common::site::IDLE;
use crate::{ALPHA, address, hello, log_in, log_out};

const TEXT: &str = "accept: text/plain";

/// Logs in and out through TLS, and asks once more with a copy of the cookie. The answer must be
/// the one that is given without TLS.
async fn a_440_arrives_whole(terminator: Terminator, application: SocketAddr) {
    let front = terminator.start(application, &terminator.usual());
    let mut visitor = Secure::connect(&front);
    log_in(&mut visitor.wire).await;
    hello(&mut visitor.wire).await;
    log_out(&mut visitor.wire).await;

    let late = get("/", &[ALPHA, TEXT]);
    let (sent, arrived) = (ask(application, &late).await, visitor.wire.ask(&late).await);
    assert_eq!(sent.start, "HTTP/1.1 440 Login Time-out");
    let status_line = match terminator {
        Terminator::Nginx => "HTTP/1.1 440 Login Time-out",
        Terminator::Caddy => "HTTP/1.1 440 status code 440",
    };
    assert_eq!(arrived.start, status_line);
    assert!(!sent.body.is_empty());
    assert_eq!(arrived.body, sent.body);
    assert_eq!(arrived.header("login-timeout-reason"), Some("revoked"));
    for name in ["cache-control", "content-type", "set-cookie", "vary"] {
        assert_eq!(arrived.all(name), sent.all(name), "{terminator:?}: {name}");
    }
}

#[tokio::test]
async fn the_440_of_an_application_arrives_whole() {
    for terminator in Terminator::BOTH {
        a_440_arrives_whole(terminator, Members::start().await.address).await;
    }
}

#[tokio::test]
async fn the_440_of_the_reverse_proxy_arrives_whole() {
    let application = serve(routes(&Events::default())).await;
    for terminator in Terminator::BOTH {
        let proxy = proxy::start(application, &[]);
        a_440_arrives_whole(terminator, address(&proxy)).await;
    }
}

#[tokio::test]
async fn http2_has_no_phrase() {
    for terminator in Terminator::BOTH {
        let application = Members::start().await;
        let front = terminator.start(application.address, &terminator.usual());
        let answer = curl(&front, "/", &["-H", "cookie: sid=forged", "-H", TEXT]).await;
        assert!(answer.starts_with("HTTP/2 440 \r\n"), "{answer}");
        assert!(
            answer.contains("\r\nlogin-timeout-reason: unknown\r\n"),
            "{answer}"
        );
        assert!(
            answer.ends_with("Your session has expired. Please log in again."),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_secure_cookie_is_kept_until_the_440_removes_it() {
    for terminator in Terminator::BOTH {
        let application = Members::start().await;
        let front = terminator.start(application.address, &terminator.usual());
        curl(&front, "/login", &["-d", "name=Ada"]).await;
        // Only for this host, with all paths, and secure.
        assert_eq!(
            jar(&front),
            ["#HttpOnly_site.example\tFALSE\t/\tTRUE\t0\tsid\talpha"]
        );
        assert!(curl(&front, "/", &[]).await.ends_with("hello"));

        application.clock.advance(IDLE);
        let answer = curl(&front, "/", &[]).await;
        assert!(
            answer.contains("\r\nlogin-timeout-reason: idle\r\n"),
            "{answer}"
        );
        assert_eq!(jar(&front), [""; 0], "{terminator:?}");
    }
}

#[tokio::test]
async fn a_navigation_goes_to_the_log_in_page_of_the_same_site() {
    for terminator in Terminator::BOTH {
        let application = Members::start_with(with_login_page).await;
        let front = terminator.start(application.address, &terminator.usual());
        let headers = ["cookie: sid=forged", "sec-fetch-mode: navigate"];
        let answer = Secure::connect(&front)
            .wire
            .ask(&get("/report", &headers))
            .await;
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.header("location"), Some("/login?returnUrl=/report"));
    }
}

/// Asks what the application is told, with headers that a client has made up.
async fn told(front: &Server) -> String {
    let forged = [
        "x-forwarded-for: 203.0.113.7",
        "x-forwarded-host: forged.example",
        "x-forwarded-proto: javascript",
    ];
    let told = Secure::connect(front)
        .wire
        .ask(&get("/headers", &forged))
        .await
        .body;
    for made_up in ["203.0.113.7", "forged.example", "javascript"] {
        assert!(!told.contains(made_up), "{told}");
    }
    assert!(told.contains("host: site.example\n"), "{told}");
    assert!(told.contains("x-forwarded-host: site.example\n"), "{told}");
    told
}

#[tokio::test]
async fn the_application_is_told_that_the_browser_used_tls() {
    for terminator in Terminator::BOTH {
        let application = Members::start().await;
        let front = terminator.start(application.address, &terminator.usual());
        let told = told(&front).await;
        assert!(told.contains("x-forwarded-for: 127.0.0.1\n"), "{told}");
        assert!(told.contains("x-forwarded-proto: https\n"), "{told}");
    }
}

#[tokio::test]
async fn the_reverse_proxy_keeps_what_a_trusted_proxy_says_of_the_browser() {
    let application = serve(routes(&Events::default())).await;
    for terminator in Terminator::BOTH {
        for (options, scheme) in [
            (&["--trusted-proxy", "127.0.0.1"][..], "https"),
            (&[], "http"),
        ] {
            let proxy = proxy::start(application, options);
            let front = terminator.start(address(&proxy), &terminator.usual());
            let told = told(&front).await;
            let line = format!("x-forwarded-proto: {scheme}\n");
            assert!(told.contains(&line), "{terminator:?} {options:?}: {told}");
            // The browser, and nginx or Caddy.
            assert!(
                told.contains("x-forwarded-for: 127.0.0.1, 127.0.0.1\n"),
                "{told}"
            );
        }
    }
}

/// Asks nginx or Caddy with these lines after another one of the page's configuration.
async fn with_error_page(terminator: Terminator, after: &str, lines: &str) -> (String, bool) {
    let application = Members::start().await;
    let configuration = replaced(&terminator.usual(), after, &format!("{after} {lines}"));
    let front = terminator.start(application.address, &configuration);
    let answer = Secure::connect(&front)
        .wire
        .ask(&get("/", &["cookie: sid=forged", TEXT]))
        .await;
    let is_whole =
        answer.header("login-timeout-reason").is_some() && answer.header("set-cookie").is_some();
    assert_eq!(answer.status(), 440, "{answer:?}");
    (answer.body, is_whole)
}

#[tokio::test]
async fn an_error_page_for_440_loses_the_reason_and_keeps_the_cookie() {
    let ours = "Your session has expired. Please log in again.".to_owned();
    let sorry = "sorry".to_owned();

    let nginx =
        async |lines| with_error_page(Terminator::Nginx, "proxy_buffering off;", lines).await;
    let others = "proxy_intercept_errors on; error_page 404 500 502 503 504 =200 /sorry;";
    assert_eq!(nginx(others).await, (ours.clone(), true));
    let all = "proxy_intercept_errors on; error_page 440 @sorry; }
               location @sorry { return 440 sorry;";
    assert_eq!(nginx(all).await, (sorry.clone(), false));

    let caddy = async |lines| with_error_page(Terminator::Caddy, "127.0.0.1:8440", lines).await;
    let others = "{\n @all status 5xx\n handle_response @all {\n respond sorry 440\n }\n }";
    assert_eq!(caddy(others).await, (ours, true));
    let all = "{\n @all status 4xx\n handle_response @all {\n respond sorry 440\n }\n }";
    assert_eq!(caddy(all).await, (sorry, false));
}
