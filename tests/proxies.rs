//! Tests of proxies in front of proxies: two that share a store behind nginx, so that both know the
//! same sessions, and one behind nginx or Caddy with TLS.

use std::net::{Ipv4Addr, SocketAddr};

use common::http1::{Message, Wire, ask, get, request};
use common::servers::Server;
use common::website;
use proxies::{nginx, proxy};

mod common;

mod proxies {
    mod alternating;
    mod asking;
    mod behind_tls;
    mod chaos;
    mod frozen;
    mod members;
    pub(crate) mod nginx;
    pub(crate) mod proxy;
    mod restarted;
    mod terminator;
    mod tls;
    mod tls_streams;
}

const ALPHA: &str = "cookie: sid=alpha";

/// Two proxies in front of one application. nginx stands in front of both and asks them in turn.
struct Site {
    proxies: [Server; 2],
    nginx: Server,
}

impl Site {
    /// Starts everything except the store, with these options for each proxy.
    async fn start(options: &[&str]) -> Self {
        let application = website::start().await;
        let proxies = [(); 2].map(|()| proxy::start(application, options));
        let nginx = nginx::start([proxies[0].port(), proxies[1].port()]);
        Self { proxies, nginx }
    }

    /// Connects a visitor to nginx.
    async fn visitor(&self) -> Wire {
        Wire::connect(address(&self.nginx)).await
    }

    /// Returns the proxy that answered, and the other one.
    fn who_answered(&self, answer: &Message) -> (&Server, &Server) {
        let [one, two] = &self.proxies;
        let asked = answer.header(nginx::ASKED);
        match asked.and_then(|asked| asked.rsplit(", ").next()) {
            Some(proxy) if proxy == address(one).to_string() => (one, two),
            Some(proxy) if proxy == address(two).to_string() => (two, one),
            unknown => panic!("{unknown:?} answered: {answer:?}"),
        }
    }
}

fn address(server: &Server) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, server.port()).into()
}

async fn log_in(visitor: &mut Wire) -> Message {
    let answer = visitor
        .ask(&request("POST", "/login", &[], "name=Ada"))
        .await;
    assert_eq!(answer.body, "welcome");
    answer
}

async fn log_out(visitor: &mut Wire) -> Message {
    let answer = visitor.ask(&request("POST", "/logout", &[ALPHA], "")).await;
    assert_eq!(answer.body, "goodbye");
    answer
}

/// Sends a request of a live session.
async fn hello(visitor: &mut Wire) -> Message {
    let answer = visitor.ask(&get("/", &[ALPHA])).await;
    assert_eq!(
        (answer.status(), &*answer.body),
        (200, "hello"),
        "{answer:?}"
    );
    answer
}

/// Asks a proxy directly, on a new connection, for the state of the session.
async fn status_and_reason(proxy: &Server) -> (u16, Option<String>) {
    let answer = ask(address(proxy), &get("/", &[ALPHA])).await;
    let reason = answer.header("login-timeout-reason").map(str::to_owned);
    (answer.status(), reason)
}

fn logged_out() -> (u16, Option<String>) {
    (440, Some("revoked".to_owned()))
}
