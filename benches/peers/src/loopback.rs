//! The requests per second of a whole server on loopback.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::Failure;
use crate::contenders::Contender;
use crate::effort::Effort;
use crate::figures::Figures;
use crate::jar::{Jar, cookies};
use crate::processes::{Folder, Running, WRK, another_self, output};
use crate::request;

const CONNECTIONS: &str = "64";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wrk/cookies.lua");

/// The number of sessions that send requests.
const SESSIONS: usize = 10_000;

/// Starts an axum server for each contender, and compares them.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let servers = Contender::ALL
        .iter()
        .map(|contender| Server::start(contender.id(), SESSIONS, folder.path(), ""))
        .collect::<Result<Vec<_>, _>>()?;
    let (rounds, time) = effort.pick((2, 1), (9, 4));
    compare(
        figures,
        "loopback",
        &servers,
        rounds,
        Duration::from_secs(time),
    )
}

/// A server in a process of its own.
#[derive(Debug)]
pub struct Server {
    pub id: String,
    url: String,
    cookies: PathBuf,
    _running: Running,
}

/// What wrk measured.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub requests: f64,
    pub seconds: f64,
    /// In microseconds.
    pub p99: f64,
}

impl Server {
    /// Starts the server of this name, and waits until its sessions are logged in. `behind` is the
    /// URL of Redis, or empty without Redis.
    pub fn start(id: &str, sessions: usize, folder: &Path, behind: &str) -> Result<Self, Failure> {
        let cookies = folder.join(format!("{id}.cookies"));
        let mut command = another_self()?;
        command.args(["serve", id, &sessions.to_string()]);
        command.arg(&cookies).arg(behind).stdout(Stdio::piped());
        let mut running = Running::start(&mut command)?;
        let port = running.first_line()?;
        Ok(Self {
            id: id.to_owned(),
            url: format!("http://127.0.0.1:{port}/account"),
            cookies,
            _running: running,
        })
    }

    /// Puts the server under load. Fails if a request is not answered with success.
    pub fn load(&self, time: Duration) -> Result<Load, Failure> {
        let mut wrk = Command::new(WRK);
        let time = format!("{}s", time.as_secs());
        wrk.args([
            "-t1",
            "-c",
            CONNECTIONS,
            "-d",
            &time,
            "-s",
            SCRIPT,
            &self.url,
            "--",
        ]);
        let printed = output(wrk.arg(&self.cookies))?;
        let line = printed
            .lines()
            .find_map(|line| line.strip_prefix("measured "));
        let numbers: Vec<f64> = line
            .ok_or_else(|| format!("wrk printed something else:\n{printed}"))?
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        match numbers[..] {
            [requests, micros, p99, 0.0] => Ok(Load {
                requests,
                seconds: micros / 1e6,
                p99,
            }),
            _ => Err(format!("{} failed some requests:\n{printed}", self.id).into()),
        }
    }
}

/// Puts each server under load in turn, after a load to warm up. Notes the requests per second, the
/// p99, and the share of what the first server answered in the same round.
pub fn compare(
    figures: &mut Figures,
    what: &str,
    servers: &[Server],
    rounds: usize,
    time: Duration,
) -> Result<(), Failure> {
    for server in servers {
        server.load(Duration::from_secs(1))?;
    }
    let mut measured = vec![[const { Vec::new() }; 3]; servers.len()];
    for _ in 0..rounds {
        let mut first = None;
        for (server, [rates, p99s, shares]) in servers.iter().zip(&mut measured) {
            let load = server.load(time)?;
            let rate = load.requests / load.seconds;
            rates.push(rate);
            p99s.push(load.p99 / 1e3);
            shares.push(rate / *first.get_or_insert(rate));
        }
    }
    for (server, [rates, p99s, shares]) in servers.iter().zip(&measured) {
        let name = format!("{what}.{}", server.id);
        figures.add(&name, "requests/s", rates);
        figures.add(format!("{name}.p99"), "ms", p99s);
        figures.add(format!("{name}.share"), "of bare", shares);
    }
    Ok(())
}

/// Logs sessions in, writes their cookies to a file, prints the port, and serves until it is
/// stopped. `Server` runs it in a process of its own.
pub fn serve(
    app: impl Future<Output = Result<Router, Failure>>,
    sessions: usize,
    file: &Path,
) -> Result<(), Failure> {
    // The process that started this one holds the other end of its input. The input ends when that
    // process ends, and this one ends then, too.
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    Runtime::new()?.block_on(async {
        let app = app.await?;
        let mut jar = Jar::default();
        for _ in 0..sessions {
            let request = request::log_in().map(Body::new);
            let response = app.clone().oneshot(request).await?;
            jar.push(&cookies(response.headers()))?;
        }
        fs::write(file, jar.lines())?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?.port());
        Ok(axum::serve(listener, app).await?)
    })
}
