//! Measures requests a second of a whole server on loopback.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
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

/// How many sessions take turns.
const SESSIONS: usize = 10_000;

/// Starts an axum server for each contender and puts each under load in turn, round by round.
///
/// # Errors
///
/// If a server or wrk fails, or a request is not answered 200.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let servers = Contender::ALL
        .iter()
        .map(|contender| Server::start(contender.id(), SESSIONS, folder.path(), ""))
        .collect::<Result<Vec<_>, _>>()?;
    let (rounds, time) = effort.pick((2, 1), (9, 4));
    let loads = round_by_round(&servers, rounds, Duration::from_secs(time))?;
    add_beside_first(figures, "loopback", &servers, &loads);
    Ok(())
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
    /// Starts the server of this name with so many sessions. `behind` is the URL of what is behind it, if anything.
    ///
    /// # Errors
    ///
    /// If it does not get ready.
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

    /// Puts it under load for so long.
    ///
    /// # Errors
    ///
    /// If wrk fails, or a request is not answered 200.
    pub fn load(&self, time: Duration) -> Result<Load, Failure> {
        let mut wrk = WRK.command()?;
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

/// So many loads of each server, by server, after one to warm up.
///
/// # Errors
///
/// If a load fails.
pub fn round_by_round(
    servers: &[Server],
    rounds: usize,
    time: Duration,
) -> Result<Vec<Vec<Load>>, Failure> {
    let mut loads = vec![Vec::with_capacity(rounds); servers.len()];
    for server in servers {
        server.load(Duration::from_secs(1))?;
    }
    for _ in 0..rounds {
        for (server, loads) in servers.iter().zip(&mut loads) {
            loads.push(server.load(time)?);
        }
    }
    Ok(loads)
}

/// Requests per second and p99 of each server, and its share of what the first one answered in the same round.
pub fn add_beside_first(
    figures: &mut Figures,
    what: &str,
    servers: &[Server],
    loads: &[Vec<Load>],
) {
    let rates: Vec<Vec<f64>> = loads
        .iter()
        .map(|loads| {
            loads
                .iter()
                .map(|load| load.requests / load.seconds)
                .collect()
        })
        .collect();
    for ((server, loads), own) in servers.iter().zip(loads).zip(&rates) {
        let id = &server.id;
        let p99: Vec<f64> = loads.iter().map(|load| load.p99 / 1e3).collect();
        let share: Vec<f64> = own
            .iter()
            .zip(&rates[0])
            .map(|(own, bare)| own / bare)
            .collect();
        figures.add(format!("{what}.{id}"), "requests/s", own);
        figures.add(format!("{what}.{id}.p99"), "ms", &p99);
        figures.add(format!("{what}.{id}.share"), "of bare", &share);
    }
}

/// What one more process does: logs sessions in, writes their cookies to a file, prints its port, and serves until it is stopped.
///
/// # Errors
///
/// If it cannot.
pub fn serve(
    app: impl Future<Output = Result<Router, Failure>>,
    sessions: usize,
    file: &Path,
) -> Result<(), Failure> {
    // Whoever started this process holds the other end of its input: when they are gone, so is the server.
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
