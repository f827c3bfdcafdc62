//! Runs the example programs for tests.

use std::env::{consts::EXE_SUFFIX, current_exe};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const GENEROUS: Duration = Duration::from_secs(30);

/// A running example. It is killed when this is dropped.
pub struct Example {
    child: Child,
    lines: mpsc::Receiver<String>,
    errors: mpsc::Receiver<String>,
    pub address: SocketAddr,
}

impl Example {
    /// Starts the example and waits until it prints its address.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = command(name, arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let errors = lines_of(child.stderr.take().unwrap());
        let first_line = lines.recv_timeout(GENEROUS);
        let address = first_line.as_ref().ok().and_then(|line| {
            let address = line.strip_prefix("listening on ")?;
            address.trim_start_matches("http://").parse().ok()
        });
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            let errors: Vec<_> = errors.iter().collect();
            panic!(
                "the example {name} did not say where it listens, but: {first_line:?} {errors:?}"
            );
        };
        Self {
            child,
            lines,
            errors,
            address,
        }
    }

    /// Waits for the line that begins so, and returns what follows.
    pub fn line(&self, start: &str) -> String {
        line(&self.lines, start)
    }

    /// Waits for the line on its standard error that begins so, and returns what follows.
    pub fn error_line(&self, start: &str) -> String {
        line(&self.errors, start)
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    /// Sends SIGHUP, by which operators have settings read again.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits until it ends by itself.
    pub fn ended(mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < GENEROUS, "the example does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines to the end, so that the example can always print.
fn lines_of(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let lines = BufReader::new(output).lines();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .for_each(|line| drop(sender.send(line)))
    });
    receiver
}

fn line(lines: &mpsc::Receiver<String>, start: &str) -> String {
    loop {
        let line = lines.recv_timeout(GENEROUS).unwrap();
        if let Some(rest) = line.strip_prefix(start) {
            return rest.to_owned();
        }
    }
}

/// Runs an example that ends by itself.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    command(name, arguments).output().unwrap()
}

/// Returns the command that starts an example.
pub fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary(name));
    command.args(arguments);
    command
}

/// Finds the program of an example, which cargo puts beside the folder of the test.
///
/// Cargo builds the examples before it runs tests, but not if it is told which tests to build. So
/// this checks that the program is newer than its sources.
fn binary(name: &str) -> PathBuf {
    let test = current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let binary = profile.join("examples").join(format!("{name}{EXE_SUFFIX}"));
    let modified = |path: &str| fs::metadata(path).and_then(|file| file.modified()).ok();
    let built_at = modified(binary.to_str().unwrap());
    let made_of = fs::read_to_string(binary.with_extension("d")).unwrap_or_default();
    let is_stale = made_of
        .split_whitespace()
        .skip(1)
        .any(|source| modified(source) > built_at);
    assert!(
        built_at.is_some() && !is_stale,
        "the example {name} is not built, or not from its present source: run `cargo build --examples` first, \
         with the features of this test"
    );
    binary
}
