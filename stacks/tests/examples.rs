//! Each example starts, says where it listens, and accepts a connection.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Stops its example when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `cargo test` builds the examples beside the tests.
fn program(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    folder.join("examples").join(name)
}

fn runs(name: &str) {
    let mut command = Command::new(program(name));
    let child = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn();
    let mut running = Running(child.unwrap());
    let output = BufReader::new(running.0.stdout.take().unwrap());
    let line = output.lines().next().unwrap().unwrap();
    let address = line.strip_prefix("listening on http://").unwrap();
    TcpStream::connect(address).unwrap();
}

#[test]
fn axum_login_runs() {
    runs("axum_login");
}

#[test]
fn tower_sessions_runs() {
    runs("tower_sessions");
}

#[test]
fn private_cookie_runs() {
    runs("private_cookie");
}

#[test]
fn tonic_runs() {
    runs("tonic");
}

#[test]
fn openid_runs() {
    runs("openid");
}

#[test]
fn order_runs() {
    runs("order");
}

#[test]
fn htmx_runs() {
    runs("htmx");
}
