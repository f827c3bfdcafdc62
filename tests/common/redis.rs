//! Starts Redis servers for tests: one server, servers behind Sentinels, and a Cluster.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tower_login_timeout::SessionKey;

use super::servers::{Program, Server, poll, run};

const SERVER: Program = Program::new("redis-server", "redis-server");
const SENTINEL: Program = Program::new("redis-sentinel", "redis-sentinel");
const CLI: Program = Program::new("redis-cli", "redis-tools");
const OPENSSL: Program = Program::new("openssl", "openssl");
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts one server that keeps its data in a file.
pub fn one() -> Server {
    one_with(&["--appendonly", "yes"])
}

/// Starts one server with these arguments.
pub fn one_with(arguments: &[&str]) -> Server {
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| (*argument).to_owned())
        .collect();
    let start = move |folder: &Path, port: u16| {
        let mut command = SERVER.command();
        command
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--dir",
            ])
            .arg(folder)
            .args(&arguments);
        command
    };
    Server::start(&SERVER, start, answers)
}

/// Starts a replica of this master and waits until it has all data.
pub fn replica_of(master: &Server) -> Server {
    let port = master.port().to_string();
    let replica = one_with(&[
        "--replicaof",
        "127.0.0.1",
        &port,
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let up = poll(PATIENCE, || {
        info(replica.port(), "replication").contains("master_link_status:up")
            && info(master.port(), "replication").contains("state=online")
    });
    assert!(up, "the replica does not follow: {}", replica.log());
    // Both report this shortly before the master really passes on commands.
    assert!(
        passes_on(master.port()).expect("an answer"),
        "{}",
        replica.log()
    );
    replica
}

/// A master, its replica, and three Sentinels that know them as `mymaster`.
pub struct Watched {
    pub servers: [Server; 2],
    pub sentinels: Vec<Server>,
}

impl Watched {
    pub fn start() -> Self {
        let master = one_with(&["--appendonly", "yes", "--repl-diskless-sync-delay", "0"]);
        let replica = replica_of(&master);
        let port = master.port();
        let sentinels: Vec<Server> = (0..3).map(|_| sentinel(port)).collect();
        for sentinel in &sentinels {
            let ready = || {
                let about = cli(sentinel.port(), &["SENTINEL", "MASTER", "mymaster"]);
                let about: Vec<&str> = about.lines().collect();
                let says =
                    |name: &str, value: &str| about.windows(2).any(|pair| *pair == [name, value]);
                says("num-other-sentinels", "2")
                    && says("num-slaves", "1")
                    && says("flags", "master")
            };
            assert!(
                poll(PATIENCE, ready),
                "the sentinels do not meet: {}",
                sentinel.log()
            );
        }
        Self {
            servers: [master, replica],
            sentinels,
        }
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(address).collect();
        format!("redis+sentinel://{}/mymaster", hosts.join(","))
    }
}

fn sentinel(master: u16) -> Server {
    let start = move |folder: &Path, port: u16| {
        let config = folder.join("sentinel.conf");
        if !config.exists() {
            let text = format!(
                "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor mymaster 127.0.0.1 {master} 2\n\
                 sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 2000\n",
                folder.display()
            );
            fs::write(&config, text).expect("a configuration");
        }
        let mut command = SENTINEL.command();
        command.arg(config);
        command
    };
    Server::start(&SENTINEL, start, answers)
}

/// A Cluster of masters. Each has the same number of replicas.
pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    pub fn start(masters: usize, replicas: usize) -> Self {
        let node = |_| {
            one_with(&[
                "--appendonly",
                "yes",
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1000",
                "--repl-diskless-sync-delay",
                "0",
            ])
        };
        let nodes: Vec<Server> = (0..masters * (1 + replicas)).map(node).collect();
        let mut create = CLI.command();
        create.args(["--cluster", "create"]);
        create.args(nodes.iter().map(address));
        create.args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        run(&mut create);
        let cluster = Self { nodes };
        cluster.wait_until_whole();
        cluster
    }

    /// Waits until every node reports a complete Cluster.
    pub fn wait_until_whole(&self) {
        let whole = |node: &Server| {
            let peers = cli(node.port(), &["CLUSTER", "NODES"]);
            let replicas_are_up =
                !info(node.port(), "replication").contains("master_link_status:down");
            cli(node.port(), &["CLUSTER", "INFO"]).contains("cluster_state:ok")
                && peers.lines().count() == self.nodes.len()
                && !peers.contains("fail")
                && replicas_are_up
        };
        let all = || self.nodes.iter().all(whole);
        assert!(
            poll(PATIENCE, all),
            "the cluster is not whole: {}",
            self.nodes[0].log()
        );
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(address).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }
}

pub fn url(server: &Server) -> String {
    format!("redis://{}", address(server))
}

/// A server that accepts TLS only, and only clients with a certificate.
pub struct Private {
    pub server: Server,
    /// The root certificate, the client's certificate and its key, in PEM.
    pub root: String,
    pub client: String,
    pub key: String,
}

impl Private {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts the server with these arguments besides its own.
    pub fn start_with(arguments: &'static [&str]) -> Self {
        let start = move |folder: &Path, port: u16| {
            let mut command = SERVER.command();
            command.args([
                "--bind",
                "127.0.0.1",
                "--port",
                "0",
                "--tls-port",
                &port.to_string(),
            ]);
            command.args([
                "--save",
                "",
                "--tls-cert-file",
                "server.pem",
                "--tls-key-file",
                "server.key",
            ]);
            command.args(["--tls-ca-cert-file", "root.pem"]);
            command.args(arguments);
            if !folder.join("root.pem").exists() {
                certificates(folder);
            }
            command
        };
        let server = Server::start(&SERVER, start, |port| {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let read = |name| fs::read_to_string(server.folder().join(name)).expect("a certificate");
        let (root, client, key) = (read("root.pem"), read("client.pem"), read("client.key"));
        Self {
            server,
            root,
            client,
            key,
        }
    }
}

fn certificates(folder: &Path) {
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ];
    let openssl = |arguments: &[&str]| {
        run(OPENSSL
            .command()
            .current_dir(folder)
            .args(["req", "-x509"])
            .args(key)
            .args(arguments));
    };
    openssl(&[
        "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem",
    ]);
    for name in ["server", "client"] {
        let (subject, key, certificate) = (
            format!("/CN={name}"),
            format!("{name}.key"),
            format!("{name}.pem"),
        );
        let by_root = [
            "-CA",
            "root.pem",
            "-CAkey",
            "root.key",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ];
        let mut arguments = vec!["-subj", &subject, "-keyout", &key, "-out", &certificate];
        arguments.extend(by_root);
        arguments.extend(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl(&arguments);
    }
}

/// Sends a command with `redis-cli` and returns the answer.
///
/// A server that changes its role closes its connections. Then the command is sent again.
pub fn cli(port: u16, arguments: &[&str]) -> String {
    let ask = || {
        let mut command = Command::new(CLI.path());
        let command = command.args(["-p", &port.to_string()]).args(arguments);
        command.output().expect("redis-cli runs")
    };
    let mut output = ask();
    poll(Duration::from_secs(5), || {
        let errors = String::from_utf8_lossy(&output.stderr);
        let closed = !output.status.success() && errors.contains("closed the connection");
        if closed {
            output = ask();
        }
        !closed
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns one section of `INFO`.
pub fn info(port: u16, section: &str) -> String {
    cli(port, &["INFO", section])
}

/// Returns the name of a session's record in Redis.
pub fn name(key: SessionKey) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let number = u128::from_be_bytes(key.to_bytes());
    let digits = (0..22)
        .rev()
        .map(|place| DIGITS[(number >> (6 * place)) as usize & 63] as char);
    format!("login-timeout:{}", digits.collect::<String>())
}

/// Checks that a replica receives what the master is told.
fn passes_on(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let commands = format!(
        "PUBLISH nobody hears\r\nWAIT 1 {}\r\n",
        PATIENCE.as_millis()
    );
    stream.write_all(commands.as_bytes())?;
    let mut answers = [0; b":0\r\n:1\r\n".len()];
    stream.read_exact(&mut answers)?;
    Ok(answers == *b":0\r\n:1\r\n")
}

fn address(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// Checks that the server takes commands.
///
/// A server that wants a password is ready. A server that still loads its data is not.
fn answers(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    matches!(ask(), Ok(answer) if [b"+PONG", b"-NOAU"].contains(&&answer))
}
