//! Tests of two proxies with near caches, under load, while proxies and their store are killed,
//! frozen and restarted.
//!
//! Visitors log in, click and log out, each request through one proxy or the other. A live session
//! is never refused, and what has ended stays ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::http::header::SET_COOKIE;
use axum::response::AppendHeaders;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::address;
use crate::common::redis;
use crate::common::servers::Server;

use super::proxy;

const VISITORS: usize = 16;
const CLICKS: usize = 12;

/// How many good answers there must be between two faults.
const BETWEEN: usize = 100;

/// The longest time for which a proxy may miss a log-out while its store is away: the default of
/// `max_stale_on_error`, and a second for a busy machine.
const MAX_STALE: Duration = Duration::from_secs(31);

/// What all visitors share.
struct Load {
    proxies: [SocketAddr; 2],
    good: AtomicUsize,
    over: AtomicBool,
}

/// A session that has ended, and when the log-out was answered.
struct Ended {
    id: String,
    at: Instant,
    /// Which proxies have refused it.
    refused: [bool; 2],
}

#[derive(Debug, PartialEq)]
enum Answer {
    /// The application has answered.
    Passed,
    /// `440 Login Time-out`, for this reason.
    Refused(String),
    /// The store or the proxy did not answer.
    Away,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_refuses_a_live_session_or_revives_one() {
    let mut store = redis::one();
    let application = application().await;
    // Activity is written so seldom that the answer of a write tells of no log-out.
    let url = redis::url(&store);
    let options = ["--store", &url, "--cached", "--touch-every", "5m"];
    let mut proxies = [(); 2].map(|()| proxy::start(application, &options));
    let load = Arc::new(Load {
        proxies: [address(&proxies[0]), address(&proxies[1])],
        good: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    let mut visitors = JoinSet::new();
    for number in 0..VISITORS {
        visitors.spawn(visit(Arc::clone(&load), number));
    }

    for round in 0..2 {
        for end in [Server::kill, Server::stop] {
            let proxy = &mut proxies[round % 2];
            load.goes_on().await;
            end(proxy);
            load.goes_on().await;
            proxy.restart();
        }
        load.goes_on().await;
        proxies[1 - round % 2].freeze();
        load.goes_on().await;
        proxies[1 - round % 2].thaw();
        load.goes_on().await;
        store.kill();
        sleep(Duration::from_secs(1)).await;
        store.restart();
        load.goes_on().await;
        store.freeze();
        sleep(Duration::from_secs(2)).await;
        store.thaw();
    }
    load.goes_on().await;

    load.over.store(true, Ordering::Relaxed);
    let mut all_ended = Vec::new();
    while let Some(visitor) = visitors.join_next().await {
        all_ended.extend(visitor.unwrap());
    }
    assert!(all_ended.len() > VISITORS, "{} log-outs", all_ended.len());
    // Everything is up again, so both proxies know of each log-out as soon as the log is read.
    let calm = Instant::now();
    for ended in &mut all_ended {
        for proxy in 0..2 {
            while load.sees(ended, proxy).await != Answer::Refused("revoked".to_owned()) {
                assert!(calm.elapsed() < Duration::from_secs(20), "it lives on");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    println!(
        "{} good answers, {} log-outs",
        load.good.load(Ordering::Relaxed),
        all_ended.len()
    );
}

/// Logs in, clicks and logs out, again and again. Returns the sessions that have ended.
async fn visit(load: Arc<Load>, number: usize) -> Vec<Ended> {
    let mut all_ended: Vec<Ended> = Vec::new();
    let mut turn = number;
    for session in 0.. {
        if load.over.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("visitor-{number}-session-{session}");
        turn += 1;
        let log_in = format!("/login/{id}");
        if load.ask(turn % 2, "POST", &log_in, None).await != Answer::Passed {
            continue;
        }
        for _ in 0..CLICKS {
            turn += 1;
            match load.ask(turn % 2, "GET", "/", Some(&id)).await {
                Answer::Passed => _ = load.good.fetch_add(1, Ordering::Relaxed),
                Answer::Refused(reason) => panic!("{id} is live and was refused: {reason}"),
                Answer::Away => sleep(Duration::from_millis(20)).await,
            }
            if let Some(before) = all_ended.iter_mut().rev().nth(session % 3) {
                load.sees(before, turn % 2).await;
            }
        }
        loop {
            turn += 1;
            match load.ask(turn % 2, "POST", "/logout", Some(&id)).await {
                // The log-out before this one was recorded, and its answer was lost.
                Answer::Passed | Answer::Refused(_) => break,
                Answer::Away => sleep(Duration::from_millis(20)).await,
            }
        }
        let (at, refused) = (Instant::now(), [false; 2]);
        all_ended.push(Ended { id, at, refused });
    }
    all_ended
}

impl Load {
    /// Waits for more good answers.
    async fn goes_on(&self) {
        let wanted = self.good.load(Ordering::Relaxed) + BETWEEN;
        let more = async {
            while self.good.load(Ordering::Relaxed) < wanted {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let more = timeout(Duration::from_secs(60), more).await;
        more.expect("no more good answers: the reason is above");
    }

    /// Sends a request with a session that has ended, and checks the answer.
    async fn sees(&self, ended: &mut Ended, proxy: usize) -> Answer {
        let asked = Instant::now();
        let answer = self.ask(proxy, "GET", "/", Some(&ended.id)).await;
        match &answer {
            Answer::Passed => {
                let Ended { id, at, refused } = ended;
                assert!(!refused[proxy], "{id} was refused, and lives again");
                assert!(asked - *at < MAX_STALE, "{id} lives for too long");
            }
            Answer::Refused(_) => ended.refused[proxy] = true,
            Answer::Away => {}
        }
        answer
    }

    async fn ask(&self, proxy: usize, method: &str, path: &str, id: Option<&str>) -> Answer {
        let cookie = id.map_or(String::new(), |id| format!("cookie: sid={id}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: site.example\r\nconnection: close\r\n\
             content-length: 0\r\n{cookie}\r\n"
        );
        let exchange = async {
            let mut stream = TcpStream::connect(self.proxies[proxy]).await.ok()?;
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.ok()?;
            Some(text)
        };
        // A proxy that is frozen takes the connection and does not answer.
        let answer = timeout(Duration::from_secs(1), exchange).await;
        let text = answer.ok().flatten().unwrap_or_default();
        let status = text.split(' ').nth(1).unwrap_or_default();
        match status {
            "200" => Answer::Passed,
            "440" => {
                let name = "login-timeout-reason: ";
                let reason = text.lines().find_map(|line| line.strip_prefix(name));
                Answer::Refused(reason.unwrap_or_default().to_owned())
            }
            "" | "502" | "503" => Answer::Away,
            _ => panic!("{text}"),
        }
    }
}

/// Starts a site that begins any session at `/login/ID` and ends it at `/logout`.
async fn application() -> SocketAddr {
    let log_in = async |Path(id): Path<String>| {
        AppendHeaders([(SET_COOKIE, format!("sid={id}; Path=/; HttpOnly"))])
    };
    let log_out = AppendHeaders([(SET_COOKIE, "sid=; Path=/; Max-Age=0")]);
    let router = Router::new()
        .route("/login/{id}", post(log_in))
        .route("/logout", post((log_out, "goodbye")))
        .route("/", get(async || "hello"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}
