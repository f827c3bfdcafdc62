//! Certificates, and clients that speak TLS.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Stdio};

use tokio::task::spawn_blocking;

use crate::common::http1::{Wire, soon};
use crate::common::servers::{Program, Server, run};

const OPENSSL: Program = Program::new("openssl", "openssl");
const CURL: Program = Program::new("curl", "curl");

/// The name in the certificate, and in the requests of `common::http1`.
pub(super) const HOST: &str = "site.example";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// Replaces the files of a page's configuration by a certificate in this folder. It is made if it
/// is not there.
pub(super) fn with_certificate(folder: &Path, configuration: &str) -> String {
    if !folder.join(CERTIFICATE).exists() {
        let arguments = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ];
        let mut openssl = OPENSSL.command();
        openssl.current_dir(folder).args(arguments);
        openssl.args(["-nodes", "-days", "2", "-keyout", KEY, "-out", CERTIFICATE]);
        openssl.args(["-subj", &format!("/CN={HOST}")]);
        openssl.args(["-addext", &format!("subjectAltName=DNS:{HOST}")]);
        run(&mut openssl);
    }
    let path = |name| folder.join(name).display().to_string();
    let configuration = replaced(
        configuration,
        "/etc/ssl/site.example.pem",
        &path(CERTIFICATE),
    );
    replaced(&configuration, "/etc/ssl/site.example.key", &path(KEY))
}

/// Replaces a text that must be there.
pub(super) fn replaced(text: &str, part: &str, by: &str) -> String {
    assert!(text.contains(part), "`{part}` is not in:\n{text}");
    text.replace(part, by)
}

/// A connection through TLS. It closes when this is dropped.
pub(super) struct Tunnel(Child);

impl Tunnel {
    /// Connects to a server that must have the right certificate. What is sent to the stream goes
    /// through TLS.
    pub(super) fn open(server: &Server) -> (Self, tokio::net::TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        let mut openssl = OPENSSL.command();
        openssl.args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-servername",
            HOST,
        ]);
        openssl.args(["-verify_hostname", HOST, "-alpn", "http/1.1", "-CAfile"]);
        openssl.arg(server.folder().join(CERTIFICATE));
        openssl.args(["-connect", &format!("127.0.0.1:{}", server.port())]);
        openssl.stdin(OwnedFd::from(far.try_clone().unwrap()));
        openssl.stdout(OwnedFd::from(far)).stderr(Stdio::null());
        let child = openssl.spawn().unwrap();
        // The command holds the far end, and it must close with openssl.
        drop(openssl);
        near.set_nonblocking(true).unwrap();
        (Self(child), tokio::net::TcpStream::from_std(near).unwrap())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// HTTP/1.1 through TLS.
pub(super) struct Secure {
    pub(super) wire: Wire,
    _tunnel: Tunnel,
}

impl Secure {
    pub(super) fn connect(server: &Server) -> Self {
        let (tunnel, stream) = Tunnel::open(server);
        Self {
            wire: Wire::new(stream),
            _tunnel: tunnel,
        }
    }
}

/// Asks for a path with curl and HTTP/2, and with a cookie jar in the folder of the server. Returns
/// the answer with its head.
pub(super) async fn curl(server: &Server, path: &str, arguments: &[&str]) -> String {
    let mut curl = CURL.command();
    curl.current_dir(server.folder());
    curl.args(["-si", "--http2", "-b", "jar", "-c", "jar"]);
    curl.args(["--cacert", CERTIFICATE, "--connect-to"]);
    curl.arg(format!("{HOST}:443:127.0.0.1:{}", server.port()));
    curl.args(arguments).arg(format!("https://{HOST}{path}"));
    soon(spawn_blocking(move || run(&mut curl))).await.unwrap()
}

/// Returns the cookies that curl keeps, without the header of the file.
pub(super) fn jar(server: &Server) -> Vec<String> {
    let jar = fs::read_to_string(server.folder().join("jar")).unwrap();
    let is_cookie = |line: &&str| !line.is_empty() && !line.starts_with("# ");
    jar.lines().filter(is_cookie).map(str::to_owned).collect()
}
