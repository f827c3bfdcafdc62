//! Starts Redis, and reads how often it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::processes::{REDIS, Running, free_port};

const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis of our own.
#[derive(Debug)]
pub(super) struct Redis {
    port: u16,
    _running: Running,
}

/// What Redis counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// How often a record was asked for, whether alone or with others.
    pub(super) records: f64,
    pub(super) reads: f64,
}

impl Redis {
    /// Starts one that keeps everything in memory.
    pub(super) fn start(folder: &Path) -> Result<Self, Failure> {
        let port = free_port()?;
        let mut command = REDIS.command()?;
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]);
        command.arg(folder).stdout(Stdio::null());
        let redis = Self {
            port,
            _running: Running::start(&mut command)?,
        };
        let begun = Instant::now();
        while redis.ask("PING").is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("redis-server does not answer".into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(redis)
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn forget_statistics(&self) -> Result<(), Failure> {
        self.ask("CONFIG RESETSTAT").map(|_| ())
    }

    /// What it was asked since then.
    pub(super) fn asked(&self) -> Result<Asked, Failure> {
        let commands = self.ask("INFO commandstats")?;
        let calls = |name: &str| -> f64 {
            let start = format!("cmdstat_{name}:calls=");
            let line = commands.lines().find_map(|line| line.strip_prefix(&start));
            let number = line.and_then(|line| line.split(',').next());
            number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
        };
        // It counts what a script does as well. Ours ask for each record by one GET, and write only within a script; the peer has no scripts.
        let scripts = calls("evalsha") + calls("eval");
        let gets = calls("get").max(scripts);
        let sets = if scripts > 0.0 { 0.0 } else { calls("set") };
        let statistics = self.ask("INFO stats")?;
        let reads = statistics
            .lines()
            .find_map(|line| line.strip_prefix("total_reads_processed:"))
            .and_then(|number| number.trim().parse().ok());
        Ok(Asked {
            records: gets + sets,
            reads: reads.unwrap_or(0.0),
        })
    }

    /// Sends a command as one would type it, and returns the text it is answered with.
    fn ask(&self, command: &str) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim();
        match line.strip_prefix('$') {
            Some(length) => {
                let mut text = vec![0; length.parse()?];
                reader.read_exact(&mut text)?;
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
            None if line.starts_with('+') => Ok(line.to_owned()),
            None => Err(format!("Redis answered {command} with {line:?}").into()),
        }
    }
}
