//! Processes that take part, and the folders and ports that they get.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Failure;

/// The load generator.
pub const WRK: &str = "wrk";

/// The server behind the shared stores.
pub const REDIS: &str = "redis-server";

/// Returns what a command prints. If it fails, the error has what it printed.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed:\n{text}{errors}").into())
}

/// Makes a command that runs this program again. Its process has no memory of earlier measurements.
pub fn another_self() -> Result<Command, Failure> {
    Ok(Command::new(env::current_exe()?))
}

/// Makes a command that counts allocations. Its allocator would slow down the measured times.
pub fn counter() -> Result<Command, Failure> {
    Ok(Command::new(env::current_exe()?.with_file_name("count")))
}

/// A process that ends with this guard.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts the process.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let child = command
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Self { child })
    }

    /// Waits for the first line that the process prints, and returns it.
    pub fn first_line(&mut self) -> Result<String, Failure> {
        let output = self.child.stdout.take().ok_or("its output is not piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.is_empty() {
            return Err("a server ended before it was ready".into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A temporary folder that is removed with this guard.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a folder.
    pub fn new() -> Result<Self, Failure> {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("peers-{}-{number}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Finds a port that is free.
pub fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}
