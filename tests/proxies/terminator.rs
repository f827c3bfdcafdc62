//! Starts nginx and Caddy with TLS, as `docs/behind-a-tls-proxy.md` configures them.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use super::nginx;
use super::tls::{replaced, with_certificate};
use crate::common::servers::{Program, Server};

const PAGE: &str = include_str!("../../docs/behind-a-tls-proxy.md");
const CADDY: Program = Program::new("caddy", "caddy");

/// A program that speaks TLS with clients, and passes their requests on without it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Terminator {
    Nginx,
    Caddy,
}

impl Terminator {
    pub(super) const BOTH: [Self; 2] = [Self::Nginx, Self::Caddy];

    /// Returns the first configuration of the page.
    pub(super) fn usual(self) -> String {
        self.configurations().remove(0)
    }

    /// Returns the page's configurations in which this text stands, as one.
    pub(super) fn with(self, part: &str) -> String {
        let mut found = self.configurations();
        found.retain(|configuration| configuration.contains(part));
        assert!(found.len() == 1, "{} with `{part}`", found.len());
        found.remove(0)
    }

    /// Starts in front of an application that listens there.
    pub(super) fn start(self, application: SocketAddr, configuration: &str) -> Server {
        let configuration = replaced(configuration, "127.0.0.1:8440", &application.to_string());
        match self {
            Self::Nginx => nginx(configuration),
            Self::Caddy => caddy(configuration),
        }
    }

    fn configurations(self) -> Vec<String> {
        let language = match self {
            Self::Nginx => "```nginx\n",
            Self::Caddy => "```caddyfile\n",
        };
        let blocks = PAGE.split(language).skip(1);
        let configuration = |block: &str| block.split("```").next().unwrap().to_owned();
        blocks.map(configuration).collect()
    }
}

fn nginx(configuration: String) -> Server {
    nginx::start_with(move |folder, port| {
        let listen = format!("listen 127.0.0.1:{port} ");
        with_certificate(folder, &replaced(&configuration, "listen 443 ", &listen))
    })
}

fn caddy(configuration: String) -> Server {
    let start = move |folder: &Path, port: u16| {
        let address = format!("https://site.example:{port} {{");
        let site = replaced(&configuration, "site.example {", &address);
        let site = with_certificate(folder, &site);
        // Caddy asks nobody for anything: no certificates, no revocations, no other ports.
        let file = format!(
            "{{
                 admin off
                 auto_https disable_redirects
                 ocsp_stapling off
                 default_bind 127.0.0.1
                 servers {{
                     protocols h1 h2
                 }}
             }}
             {site}"
        );
        fs::write(folder.join("Caddyfile"), file).unwrap();
        let mut command = CADDY.command();
        command.args(["run", "--adapter", "caddyfile", "--config", "Caddyfile"]);
        for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(variable, folder);
        }
        command
    };
    let ready = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
    Server::start(&CADDY, start, ready)
}
