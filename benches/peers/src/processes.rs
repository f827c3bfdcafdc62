//! Starts the programs that take part, each with a folder and a port.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Failure;

/// A program that a Debian package brings.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    pub package: &'static str,
}

/// The load generator.
pub const WRK: Program = Program {
    name: "wrk",
    package: "wrk",
};

/// The server behind the shared stores.
pub const REDIS: Program = Program {
    name: "redis-server",
    package: "redis-server",
};

impl Program {
    /// A command that runs it.
    ///
    /// # Errors
    ///
    /// If it is not installed, with the package to install.
    pub fn command(self) -> Result<Command, Failure> {
        let folders = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&folders)
            .map(|folder| folder.join(self.name))
            .find(|path| path.is_file());
        let missing = || {
            let Self { name, package } = self;
            format!("{name} is missing: apt-get install {package}")
        };
        Ok(Command::new(found.ok_or_else(missing)?))
    }

    /// The first line of what it says of its version.
    ///
    /// # Errors
    ///
    /// If it is not installed.
    pub fn version(self) -> Result<String, Failure> {
        let output = self.command()?.arg("--version").output()?;
        let line = String::from_utf8_lossy(&output.stdout);
        Ok(line.lines().next().unwrap_or_default().to_owned())
    }
}

/// What a command prints.
///
/// # Errors
///
/// If it cannot be run or does not succeed, with what it printed.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed:\n{text}{errors}").into())
}

/// This program once more, in a process of its own, so that nothing that was measured before is in the way.
///
/// # Errors
///
/// If the program does not know where it is.
pub fn another_self() -> Result<Command, Failure> {
    Ok(Command::new(env::current_exe()?))
}

/// The program that counts allocations. It has an allocator of its own, which would slow down whatever is timed.
///
/// # Errors
///
/// If the program does not know where it is.
pub fn counter() -> Result<Command, Failure> {
    Ok(Command::new(env::current_exe()?.with_file_name("count")))
}

/// A process that ends with this guard.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let child = command.stdin(Stdio::piped()).spawn()?;
        Ok(Self { child })
    }

    /// The first line that it prints.
    ///
    /// # Errors
    ///
    /// If it ends before.
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
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A private folder that is removed with this guard.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new one.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new() -> Result<Self, Failure> {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("peers-{}-{number}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody listens on.
///
/// # Errors
///
/// If there is none.
pub fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}
