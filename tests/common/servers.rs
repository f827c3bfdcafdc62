//! Starts server processes for tests.
//!
//! Each server runs on a free port of 127.0.0.1, in a private folder. It ends when its guard is
//! dropped, or when the test process ends.

use std::fmt;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to start or to stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of a Debian package.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The file name of the program.
    pub name: &'static str,
    /// The Debian package to install if the program is missing.
    pub package: &'static str,
    /// Folders to search besides `$PATH`.
    pub also_in: &'static [&'static str],
    /// The user that runs it if the tests run as root and the program refuses root.
    pub not_as_root: Option<&'static str>,
}

impl Program {
    /// Describes a program in `$PATH` that every user may run.
    pub const fn new(name: &'static str, package: &'static str) -> Self {
        Self {
            name,
            package,
            also_in: &[],
            not_as_root: None,
        }
    }

    /// Finds the program. Fails the test if it is missing, and says which package to install.
    pub fn path(&self) -> PathBuf {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let extra = self.also_in.iter().map(PathBuf::from);
        std::env::split_paths(&path)
            .chain(extra)
            .map(|folder| folder.join(self.name))
            .find(|file| file.is_file())
            .unwrap_or_else(|| {
                panic!(
                    "`{}` is missing: install it with `apt-get install {}`",
                    self.name, self.package
                )
            })
    }

    /// Returns a command that runs the program as the right user. The program ends when this
    /// process ends.
    pub fn command(&self) -> Command {
        let mut command = ending_with_us();
        if let Some(user) = self.user() {
            let (uid, gid) = ids_of(user);
            command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
            command.arg("--clear-groups");
        }
        command.arg(self.path());
        command
    }

    /// Makes the user of the program the owner of a folder.
    pub fn own(&self, folder: &Path) {
        if let Some(user) = self.user() {
            let (uid, gid) = ids_of(user);
            chown(folder, Some(uid), Some(gid)).expect("a folder changes hands");
        }
    }

    fn user(&self) -> Option<&'static str> {
        let root = fs::metadata("/proc/self").is_ok_and(|of_us| of_us.uid() == 0);
        self.not_as_root.filter(|_| root)
    }
}

/// A private temporary folder. It is removed with its last handle.
#[derive(Clone)]
pub struct Folder(Arc<Removed>);

struct Removed(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let path = std::env::temp_dir().join(format!("login-timeout-{name}-{pid}-{number}"));
        // An earlier process with the same number may have left one behind.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(Arc::new(Removed(path)))
    }

    pub fn path(&self) -> &Path {
        &self.0.0
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Finds a port of 127.0.0.1 that is free, and whose number plus 10000 is free too: nodes of a
/// Redis Cluster talk there.
///
/// Both lie below the ports that the system uses for outgoing connections.
pub fn free_port() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    const FIRST: u32 = 12_000;
    const PORTS: u32 = 10_000;
    let start = std::process::id().wrapping_mul(997);
    (0..PORTS)
        .map(|_| {
            let tried = u32::from(TRIED.fetch_add(1, Ordering::Relaxed));
            (FIRST + start.wrapping_add(tried) % PORTS) as u16
        })
        .find(|port| {
            [*port, port + 10_000]
                .iter()
                .all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        })
        .expect("a free port")
}

/// Starts a server in a folder, on a port.
type Start = dyn Fn(&Path, u16) -> Command + Send;
type Ready = dyn Fn(u16) -> bool + Send;

/// A server process. It is killed and its folder removed when this guard is dropped.
pub struct Server {
    name: &'static str,
    folder: Folder,
    port: u16,
    start: Box<Start>,
    ready: Box<Ready>,
    child: Option<Child>,
}

impl Server {
    /// Starts a server in a new folder and waits until it is `ready`.
    ///
    /// `start` gets the folder and the port. It may prepare the folder. [`Server::restart`] calls
    /// it again.
    pub fn start(
        program: &Program,
        start: impl Fn(&Path, u16) -> Command + Send + 'static,
        ready: impl Fn(u16) -> bool + Send + 'static,
    ) -> Self {
        let folder = Folder::new(program.name);
        program.own(folder.path());
        Self::start_in(program.name, folder, start, ready)
    }

    /// Starts a program of this repository in this folder.
    pub fn start_in(
        name: &'static str,
        folder: Folder,
        start: impl Fn(&Path, u16) -> Command + Send + 'static,
        ready: impl Fn(u16) -> bool + Send + 'static,
    ) -> Self {
        let mut server = Self {
            name,
            folder,
            port: free_port(),
            start: Box::new(start),
            ready: Box::new(ready),
            child: None,
        };
        server.restart();
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns what the server has printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Kills the server with SIGKILL. It has no chance to write anything.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child of ours is killed");
            child.wait().expect("a child of ours ends");
        }
    }

    /// Stops the server with SIGTERM and waits until it has ended.
    pub fn stop(&mut self) {
        self.signal("TERM");
        if let Some(mut child) = self.child.take() {
            let ended = poll(PATIENCE, || {
                child.try_wait().is_ok_and(|status| status.is_some())
            });
            assert!(ended, "{self:?} does not stop: {}", self.log());
        }
    }

    /// Freezes the server with SIGSTOP. Connections stay open and nothing is answered.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen server continue, with SIGCONT.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Starts the server again, on the same port and in the same folder, and waits until it is
    /// ready.
    pub fn restart(&mut self) {
        self.begin_restart();
        self.wait_until_ready();
    }

    /// Starts the server again without waiting for it.
    pub fn begin_restart(&mut self) {
        self.kill();
        let mut command = (self.start)(self.folder.path(), self.port);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file());
        let log = log.expect("a log file");
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log);
        self.child = Some(spawn(command).unwrap_or_else(|error| panic!("{self:?}: {error}")));
    }

    /// Waits until the server is ready. Fails the test with the server's log if it ends instead.
    pub fn wait_until_ready(&mut self) {
        let mut ended = false;
        let ready = poll(PATIENCE, || {
            let child = self.child.as_mut();
            ended = child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            ended || (self.ready)(self.port)
        });
        assert!(ready && !ended, "{self:?} does not start: {}", self.log());
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn signal(&self, signal: &str) {
        let pid = self
            .pid()
            .unwrap_or_else(|| panic!("{self:?} does not run"));
        let status = Command::new("kill")
            .args(["-s", signal, &pid.to_string()])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "SIG{signal} to {self:?}"
        );
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log.txt")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on port {}", self.name, self.port)
    }
}

/// Runs a command to its end and returns what it printed. Fails the test if the command fails.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {printed}{errors}");
    printed
}

/// Asks again and again, until the answer is yes or the time is over.
pub fn poll(patience: Duration, mut answer: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if answer() {
            return true;
        }
        if start.elapsed() > patience {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the beginning of a command that ends with this process. The program follows as an
/// argument.
pub fn ending_with_us() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command
}

/// Spawns from a thread that lives as long as the process.
///
/// `--pdeathsig` kills the child when the thread that spawned it ends.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
        let (orders, receiver) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in receiver {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, child) = channel();
    let orders = SPAWNER
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    orders.send((command, reply)).expect("the spawner lives");
    drop(orders);
    child.recv().expect("the spawner lives")
}

fn ids_of(user: &str) -> (u32, u32) {
    let id = |flag| {
        run(Command::new("id").args([flag, user]))
            .trim()
            .parse()
            .expect("an id")
    };
    (id("-u"), id("-g"))
}
