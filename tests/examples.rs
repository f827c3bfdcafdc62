//! Tests of the example programs: they start, answer and stop.

use std::net::TcpListener;
use std::time::Duration;

use common::example::{self, Example};
use common::http1::{self, Wire, ask, get, request, soon};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

mod common;

mod examples {
    #[cfg(feature = "browser")]
    mod browser;
}

/// Turns a `Set-Cookie` into the `Cookie` line that sends it back.
fn cookie(answer: &http1::Message) -> String {
    let set = answer.header("set-cookie").expect("a cookie");
    format!("cookie: {}", set.split(';').next().unwrap())
}

#[tokio::test]
async fn the_site_in_axum_logs_in_shows_the_time_left_and_logs_out() {
    let site = Example::start("axum", &["127.0.0.1:0"]);
    let answer = ask(site.address, &get("/", &[])).await;
    assert_eq!(
        (answer.status(), answer.header("location")),
        (303, Some("/login"))
    );
    let form = ask(site.address, &get("/login", &[])).await;
    assert!(form.body.contains("<form"), "{}", form.body);

    let form = ["content-type: application/x-www-form-urlencoded"];
    let log_in = request("POST", "/login", &form, "name=%3Cb%3EAda");
    let answer = ask(site.address, &log_in).await;
    assert_eq!(
        (answer.status(), answer.header("location")),
        (303, Some("/"))
    );
    let set = answer.header("set-cookie").unwrap();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
    let session = cookie(&answer);
    assert_eq!(session.len(), "cookie: sid=".len() + 32);
    let again = cookie(&ask(site.address, &log_in).await);
    assert_ne!(again, session);

    let page = ask(site.address, &get("/", &[&session])).await;
    assert_eq!(page.status(), 200);
    assert!(page.body.contains("Hello, &lt;b>Ada"), "{}", page.body);
    assert!(page.body.contains(r#"<b id="left">"#), "{}", page.body);

    let answer = ask(site.address, &request("POST", "/logout", &[&session], "")).await;
    assert_eq!(
        (answer.status(), answer.header("location")),
        (303, Some("/login"))
    );
    let answer = ask(site.address, &get("/", &[&session])).await;
    assert_eq!(
        (answer.status(), answer.header("login-timeout-reason")),
        (440, Some("revoked"))
    );
    let answer = ask(site.address, &get("/login", &[&session])).await;
    assert_eq!(answer.status(), 200);
}

/// Opens the WebSocket of a site, and says something that comes back.
async fn talk(site: &Example, session: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("ws://{}/socket", site.address);
    let mut request = url.into_client_request().unwrap();
    let cookie = session.strip_prefix("cookie: ").unwrap().parse().unwrap();
    request.headers_mut().insert("cookie", cookie);
    let (mut socket, _) = soon(connect_async(request)).await.unwrap();
    socket.send("hello".into()).await.unwrap();
    let answer = soon(socket.next()).await.unwrap().unwrap();
    assert_eq!(answer.to_text().unwrap(), "hello");
    socket
}

#[tokio::test]
async fn a_log_out_in_one_tab_closes_the_websocket_of_another() {
    let site = Example::start("websocket", &["127.0.0.1:0"]);
    let log_in = request("POST", "/login", &[], "");
    let session = cookie(&ask(site.address, &log_in).await);
    let other = cookie(&ask(site.address, &log_in).await);
    let mut socket = talk(&site, &session).await;
    let mut stays = talk(&site, &other).await;

    ask(site.address, &request("POST", "/logout", &[&session], "")).await;
    let closed = timeout(Duration::from_secs(20), socket.next()).await;
    let Some(Ok(Message::Close(Some(close)))) = closed.expect("it closes") else {
        panic!("no close frame");
    };
    assert_eq!((u16::from(close.code), &*close.reason), (4440, "revoked"));
    stays.send("still here".into()).await.unwrap();
    let answer = soon(stays.next()).await.unwrap().unwrap();
    assert_eq!(answer.to_text().unwrap(), "still here");

    let refused = ask(site.address, &get("/socket", &[&session])).await;
    assert_eq!(refused.status(), 440);
}

#[tokio::test]
async fn a_user_sees_all_devices_ends_one_and_ends_all_others() {
    let site = Example::start("devices", &["127.0.0.1:0"]);
    let log_in = async |name: &str, agent: &str| {
        let agent = format!("user-agent: {agent}");
        let headers = ["content-type: application/x-www-form-urlencoded", &agent];
        let name = format!("name={name}");
        cookie(&ask(site.address, &request("POST", "/login", &headers, &name)).await)
    };
    let phone = log_in("ada", "<phone>").await;
    let tablet = log_in("ada", "tablet").await;
    let laptop = log_in("ada", "laptop").await;
    let other = log_in("bob", "desk").await;
    let page = ask(site.address, &get("/", &[&phone])).await.body;
    for device in ["&lt;phone>", "tablet", "laptop"] {
        assert!(page.contains(device), "{page}");
    }
    assert!(!page.contains("desk"), "{page}");
    assert_eq!(page.matches("this device").count(), 1);

    // Bob can end none of hers, although he learns the key.
    let key = page.split("value=\"").nth(1).unwrap();
    let end = format!("key={}", &key[..32]);
    let form = "content-type: application/x-www-form-urlencoded";
    let by_bob = request("POST", "/end", &[&other, form], &end);
    assert_eq!(ask(site.address, &by_bob).await.status(), 403);
    let by_ada = request("POST", "/end", &[&phone, form], &end);
    assert_eq!(ask(site.address, &by_ada).await.status(), 303);
    let mut live = 0;
    for device in [&tablet, &laptop] {
        live += usize::from(ask(site.address, &get("/", &[device])).await.status() == 200);
    }
    assert_eq!(live, 1);

    let others = request("POST", "/end-others", &[&phone, form], "");
    assert_eq!(ask(site.address, &others).await.status(), 303);
    for (device, status) in [(&phone, 200), (&tablet, 440), (&laptop, 440), (&other, 200)] {
        assert_eq!(
            ask(site.address, &get("/", &[device])).await.status(),
            status
        );
    }
}

#[tokio::test]
async fn the_bare_hyper_server_logs_in_and_out() {
    let site = Example::start("hyper", &["127.0.0.1:0"]);
    let answer = ask(site.address, &get("/", &[])).await;
    assert_eq!(answer.body, "Hello, whoever you are.\n");
    let session = cookie(&ask(site.address, &request("POST", "/login", &[], "")).await);
    let answer = ask(site.address, &get("/", &[&session])).await;
    assert!(
        answer
            .body
            .starts_with("If you do nothing, your session ends in ")
    );
    let answer = ask(site.address, &request("POST", "/logout", &[&session], "")).await;
    assert_eq!(answer.status(), 200);
    let answer = ask(site.address, &get("/", &[&session])).await;
    assert_eq!(answer.status(), 440);
}

#[tokio::test]
async fn the_bare_hyper_server_speaks_http2_on_the_same_port() {
    let site = Example::start("hyper", &["127.0.0.1:0"]);
    let mut wire = Wire::connect(site.address).await;
    // Sends the HTTP/2 preface with empty settings. The server answers with its own settings frame.
    wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    let frame = wire.bytes(9).await;
    assert_eq!(frame[3], 4);
    assert_eq!(ask(site.address, &get("/", &[])).await.status(), 200);
}

#[tokio::test]
async fn the_440_of_the_api_can_be_read_by_a_page_of_another_origin() {
    let api = Example::start("cors", &["127.0.0.1:0", "127.0.0.1:0"]);
    let page = api.line("The page is on ");
    let origin = format!("origin: {}", page.trim_end_matches('/'));

    let preflight = ["access-control-request-method: GET", &origin];
    let answer = ask(api.address, &request("OPTIONS", "/data", &preflight, "")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );

    let log_in = ask(api.address, &request("POST", "/login", &[&origin], "")).await;
    let session = cookie(&log_in);
    let answer = ask(api.address, &get("/data", &[&origin, &session])).await;
    assert_eq!((answer.status(), &*answer.body), (200, "the data"));

    let answer = ask(api.address, &get("/data", &[&origin, "cookie: sid=over"])).await;
    assert_eq!(answer.status(), 440);
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, origin.strip_prefix("origin: "));
    let exposed = answer.header("access-control-expose-headers");
    assert_eq!(exposed, Some("login-timeout-reason"));
    assert!(answer.header("set-cookie").unwrap().starts_with("sid=;"));
}

#[tokio::test]
async fn ctrl_c_stops_each() {
    let upstream = [
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "http://127.0.0.1:1",
        "--cookie",
        "sid",
    ];
    for (name, arguments) in [
        ("axum", &["127.0.0.1:0"][..]),
        ("hyper", &["127.0.0.1:0"]),
        ("cors", &["127.0.0.1:0", "127.0.0.1:0"]),
        ("reverse_proxy", &upstream),
    ] {
        let example = Example::start(name, arguments);
        // An example that answers also listens for Ctrl-C.
        ask(example.address, &get("/", &[])).await;
        example.interrupt();
        assert!(example.ended().success(), "{name}");
    }
}

#[test]
fn each_says_so_if_its_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let upstream = [
        "--listen",
        &address,
        "--upstream",
        "http://127.0.0.1:1",
        "--cookie",
        "sid",
    ];
    for (name, arguments) in [
        ("axum", &[&*address][..]),
        ("hyper", &[&address]),
        ("cors", &[&address]),
        ("reverse_proxy", &upstream),
    ] {
        let output = example::run(name, arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains(&address),
            "{name}: {error}"
        );
    }
}
