//! Runs an example.

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

/// Starts an example. Fails the test if it does not say where it listens, or accepts no connection.
pub fn runs(name: &str) {
    let mut command = Command::new(program(name));
    let child = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn();
    let mut running = Running(child.unwrap());
    // Stays open, since the example says more.
    let mut output = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on http://");
    TcpStream::connect(address.unwrap()).unwrap();
}

/// `cargo test` builds the examples beside the tests.
fn program(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    folder.join("examples").join(name)
}
