//! Tests of the example `browser`. `tests/browser/example.test.mjs` drives it in Chromium.

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the example is a program, and these tests start its site themselves"
)]
#[path = "../../examples/browser/main.rs"]
mod office;

use std::net::SocketAddr;
use std::time::Duration;

use office::IDLE;
use tokio::net::TcpListener;
use tower_login_timeout::ManualClock;

use crate::common::example::Example;
use crate::common::http1::{Message, Wire, ask, get, request};
use crate::cookie;

const SECOND: Duration = Duration::from_secs(1);
const FORM: &str = "content-type: application/x-www-form-urlencoded";

/// Serves the site with a clock that stands still.
async fn start() -> (SocketAddr, ManualClock) {
    let clock = ManualClock::new();
    let site = office::site(clock.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, site).await });
    (address, clock)
}

async fn log_in(address: SocketAddr) -> String {
    let form = "name=%3Cb%3EAda&password=harbour";
    let answer = ask(address, &request("POST", "/login", &[FORM], form)).await;
    let location = answer.header("location");
    assert_eq!((answer.status(), location), (303, Some("/")));
    cookie(&answer)
}

async fn ask_for(path: &str, address: SocketAddr, session: &str) -> Message {
    ask(address, &get(path, &[session])).await
}

#[tokio::test]
async fn the_office_logs_in_and_shows_its_page_under_a_strict_policy() {
    let (address, _) = start().await;
    let answer = ask(address, &get("/", &[])).await;
    let location = answer.header("location");
    assert_eq!((answer.status(), location), (303, Some("/login")));
    let wrong = request("POST", "/login", &[FORM], "name=Ada&password=x");
    let answer = ask(address, &wrong).await;
    assert_eq!((answer.status(), answer.header("set-cookie")), (403, None));

    let session = log_in(address).await;
    let page = ask_for("/", address, &session).await;
    assert_eq!(page.status(), 200);
    assert!(page.body.contains("&lt;b>Ada"), "{}", page.body);
    assert!(!page.body.contains('{'), "each part is filled in");
    let policy = page.header("content-security-policy");
    assert_eq!(policy, Some("default-src 'self'"));
    for file in [
        "/static/office.js",
        "/static/style.css",
        "/static/icon.svg",
        "/session/login-timeout.js",
    ] {
        let answer = ask(address, &get(file, &[])).await;
        assert_eq!(answer.status(), 200, "{file}");
    }
}

#[tokio::test]
async fn the_polls_of_the_office_do_not_extend_the_session_and_the_fragment_does() {
    let (address, clock) = start().await;
    let session = log_in(address).await;
    clock.advance(IDLE - SECOND);
    assert_eq!(ask_for("/tide", address, &session).await.status(), 200);
    for _ in 0..IDLE.as_secs() / 3 {
        let table = ask_for("/berths", address, &session).await;
        assert_eq!(table.status(), 200, "{}", table.body);
        clock.advance(3 * SECOND);
    }
    let answer = ask_for("/berths", address, &session).await;
    let reason = answer.header("login-timeout-reason");
    assert_eq!((answer.status(), reason), (440, Some("idle")));
    // The cookie is gone, and the page of a script waits for a log-in all the same.
    let answer = ask(address, &get("/berths", &[])).await;
    assert_eq!(answer.status(), 440);
}

#[tokio::test]
async fn the_stream_of_the_office_ends_with_its_session() {
    let (address, clock) = start().await;
    let session = log_in(address).await;
    let mut wire = Wire::connect(address).await;
    wire.send(&get("/radio", &[&session])).await;
    assert_eq!(wire.head().await.status(), 200);
    assert_eq!(wire.chunk().await, "data: Aurora: anchor is up.\n\n");
    clock.advance(IDLE + SECOND);
    let last = "event: login-timeout\ndata: {\"reason\":\"idle\"}\n\n";
    assert_eq!(wire.chunk().await, last);
    assert_eq!(wire.chunk().await, "");
    assert_eq!(ask_for("/radio", address, &session).await.status(), 440);
}

#[tokio::test]
async fn a_notice_is_saved_and_after_the_end_its_answer_leads_to_the_log_in() {
    let (address, clock) = start().await;
    let session = log_in(address).await;
    let notice = request(
        "POST",
        "/notices",
        &[FORM, &session],
        "ship=A%26B&remarks=Hi",
    );
    let answer = ask(address, &notice).await;
    assert_eq!(answer.status(), 200);
    let saved = "Notice 1 is saved: A&amp;B, with 2 characters of remarks.";
    assert!(answer.body.contains(saved), "{}", answer.body);
    clock.advance(IDLE);
    let accept = "accept: text/html";
    let notice = request("POST", "/notices", &[FORM, accept, &session], "ship=A");
    let answer = ask(address, &notice).await;
    assert_eq!(answer.status(), 440);
    assert!(answer.body.contains("href=\"/login"), "{}", answer.body);
}

#[tokio::test]
async fn the_program_of_the_office_starts_and_stops() {
    let office = Example::start("browser", &["127.0.0.1:0"]);
    let session = log_in(office.address).await;
    let page = ask_for("/", office.address, &session).await;
    assert_eq!(page.status(), 200);
    let status = ask_for("/session", office.address, &session).await;
    assert!(
        status.body.contains(r#""state":"active""#),
        "{}",
        status.body
    );
    office.interrupt();
    assert!(office.ended().success());
}
