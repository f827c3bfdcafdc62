//! Starts PostgreSQL and MariaDB servers for tests.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use super::servers::{Program, Server, run};

const fn postgresql(name: &'static str) -> Program {
    Program {
        name,
        package: "postgresql",
        also_in: &[
            "/usr/lib/postgresql/15/bin",
            "/usr/lib/postgresql/16/bin",
            "/usr/lib/postgresql/17/bin",
            "/usr/lib/postgresql/18/bin",
        ],
        not_as_root: Some("postgres"),
    }
}

const fn mariadb(name: &'static str) -> Program {
    Program {
        name,
        package: "mariadb-server",
        also_in: &["/usr/sbin"],
        not_as_root: Some("mysql"),
    }
}

pub fn start_postgresql() -> Server {
    let start = |folder: &Path, port: u16| {
        let data = folder.join("data");
        if !data.exists() {
            let mut init = postgresql("initdb").command();
            let password = folder.join("password");
            std::fs::write(&password, "secret").unwrap();
            init.args([
                "--username=app",
                "--auth=password",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ]);
            init.arg("--pwfile")
                .arg(password)
                .arg("--pgdata")
                .arg(&data);
            run(init.current_dir(folder));
        }
        let mut command = postgresql("postgres").command();
        command.arg("-D").arg(data).arg("-k").arg(folder);
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        // The tests kill the process only, not the machine, so fsync is not needed. A fast
        // autovacuum gives empty pages back soon.
        for setting in [
            "fsync=off",
            "autovacuum_naptime=1s",
            "autovacuum_vacuum_cost_delay=0",
        ] {
            command.args(["-c", setting]);
        }
        command
    };
    let ready = |port: u16| {
        let mut ask = postgresql("pg_isready").command();
        ask.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
        ask.status().is_ok_and(|status| status.success())
    };
    Server::start(&postgresql("postgres"), start, ready)
}

pub fn postgresql_url(port: u16) -> String {
    format!("postgres://app:secret@127.0.0.1:{port}/postgres")
}

pub fn start_mariadb() -> Server {
    let start = |folder: &Path, port: u16| {
        let data = folder.join("data");
        if !data.exists() {
            let mut install = mariadb("mariadb-install-db").command();
            install.args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ]);
            install.arg(format!("--datadir={}", data.display()));
            run(install.current_dir(folder));
            let init = "CREATE DATABASE IF NOT EXISTS app;\n\
                        CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY 'secret';\n\
                        GRANT ALL ON *.* TO app@'%';";
            std::fs::write(folder.join("init.sql"), init).unwrap();
        }
        let mut command = mariadb("mariadbd").command();
        command.args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--userstat=1",
        ]);
        command.args([
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=2",
        ]);
        command.arg(format!("--port={port}"));
        for (option, file) in [
            ("datadir", "data"),
            ("socket", "socket"),
            ("pid-file", "pid"),
            ("init-file", "init.sql"),
        ] {
            command.arg(format!("--{option}={}", folder.join(file).display()));
        }
        command
    };
    let ready = |port: u16| {
        let client = Program {
            package: "mariadb-client",
            ..mariadb("mariadb-admin")
        };
        let mut ask: Command = client.command();
        ask.args([
            "--no-defaults",
            "-h",
            "127.0.0.1",
            "-u",
            "app",
            "-psecret",
            "-P",
            &port.to_string(),
            "ping",
        ]);
        ask.output().is_ok_and(|output| {
            output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("denied")
        })
    };
    Server::start(&mariadb("mariadbd"), start, ready)
}

pub fn mariadb_url(port: u16) -> String {
    format!("mysql://app:secret@127.0.0.1:{port}/app")
}

/// A server that the tests of one module share. It ends with the last of them.
pub struct Shared {
    server: Mutex<Weak<Mutex<Server>>>,
    start: fn() -> Server,
}

impl Shared {
    pub const fn new(start: fn() -> Server) -> Self {
        Self {
            server: Mutex::new(Weak::new()),
            start,
        }
    }

    /// Starts the server if it does not run, and keeps it running while the result lives.
    pub fn hold(&self) -> Held {
        let mut shared = self
            .server
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let server = shared
            .upgrade()
            .unwrap_or_else(|| Arc::new(Mutex::new((self.start)())));
        *shared = Arc::downgrade(&server);
        let port = server.lock().unwrap().port();
        Held {
            port,
            _server: server,
        }
    }
}

/// Keeps a shared server running.
pub struct Held {
    pub port: u16,
    _server: Arc<Mutex<Server>>,
}
