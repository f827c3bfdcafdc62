//! A site in another language behind the layer, and a browser that visits it.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Visitors, rule};

use crate::common::http1::Wire;
use crate::common::servers::{Program, Server};
use crate::common::site::policy;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/frameworks");

/// A framework that gives every visitor a session cookie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framework {
    Express,
    Php,
}

/// A site behind the layer.
pub(super) struct Site {
    _server: Server,
    upstream: SocketAddr,
    layer: LoginTimeoutLayer,
    pub(super) clock: ManualClock,
}

/// A browser, with the one cookie that it holds.
#[derive(Clone, Default)]
pub(super) struct Browser {
    pub(super) cookie: Option<String>,
}

impl Site {
    pub(super) fn new(framework: Framework) -> Self {
        let server = framework.start();
        let clock = ManualClock::new();
        let visitors = Visitors::new()
            .with_log_in(rule::path("/login"))
            .with_log_out(rule::path("/logout"));
        let identify = CookieId::new("sid").unwrap();
        let policy = policy().build().unwrap();
        let layer = LoginTimeoutLayer::new(policy, identify, MemoryStore::new())
            .with_visitors(visitors)
            .with_clock(clock.clone());
        Self {
            upstream: ([127, 0, 0, 1], server.port()).into(),
            _server: server,
            layer,
            clock,
        }
    }

    async fn ask(&self, request: Request<String>) -> Response<String> {
        let upstream = self.upstream;
        let service = service_fn(move |request| async move {
            Ok::<_, Infallible>(forward(upstream, request).await)
        });
        let response = self.layer.layer(service).oneshot(request).await;
        crate::common::site::text(response.unwrap()).await
    }
}

impl Browser {
    /// Asks for a page, and returns the status and the body.
    pub(super) async fn get(&mut self, site: &Site, path: &str) -> (u16, String) {
        self.ask(site, Request::get(path), "").await
    }

    /// Sends a form, and returns the status and the body.
    pub(super) async fn post(&mut self, site: &Site, path: &str, form: &str) -> (u16, String) {
        self.ask(site, Request::post(path), form).await
    }

    async fn ask(
        &mut self,
        site: &Site,
        mut request: http::request::Builder,
        form: &str,
    ) -> (u16, String) {
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("sid={cookie}"));
        }
        let response = site.ask(request.body(form.to_owned()).unwrap()).await;
        for line in response.headers().get_all("set-cookie") {
            let value = line.to_str().unwrap().strip_prefix("sid=").unwrap();
            let value = value.split(';').next().unwrap();
            let removed = value.is_empty() || value == "deleted";
            self.cookie = (!removed).then(|| value.to_owned());
        }
        (response.status().as_u16(), response.into_body())
    }
}

impl Framework {
    fn start(self) -> Server {
        let folder = Path::new(FOLDER);
        let ready = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        match self {
            Self::Express => {
                let program = Program::new("node", "nodejs");
                assert!(
                    folder.join("node_modules").is_dir(),
                    "run `npm ci --prefix tests/frameworks` first"
                );
                let start = move |_: &Path, port: u16| -> Command {
                    let mut command = program.command();
                    command
                        .arg(folder.join("express.mjs"))
                        .arg(port.to_string());
                    command
                };
                Server::start(&program, start, ready)
            }
            Self::Php => {
                let program = Program::new("php", "php-cli");
                let start = move |sessions: &Path, port: u16| -> Command {
                    let mut command = program.command();
                    command.env("SESSIONS", sessions);
                    command.arg("-S").arg(format!("127.0.0.1:{port}"));
                    command.arg(folder.join("site.php"));
                    command
                };
                Server::start(&program, start, ready)
            }
        }
    }
}

/// Forwards a request to the site.
async fn forward(upstream: SocketAddr, request: Request<String>) -> Response<String> {
    let mut text = format!(
        "{} {} HTTP/1.1\r\nhost: site\r\n",
        request.method(),
        request.uri()
    );
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    let body = request.body();
    text += &format!(
        "content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let mut wire = Wire::connect(upstream).await;
    wire.send(&text).await;
    let head = wire.head().await;
    let mut response = Response::builder().status(head.status());
    for (name, value) in &head.headers {
        response = response.header(name, value);
    }
    response.body(wire.rest().await).unwrap()
}
