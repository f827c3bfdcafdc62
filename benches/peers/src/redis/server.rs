//! A Redis server, and what it counted.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ::redis::{Client, Connection, InfoDict, cmd};

use crate::Failure;
use crate::processes::{REDIS, Running, free_port};

const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis server that keeps everything in memory, and ends with this guard.
pub(super) struct Redis {
    url: String,
    connection: Connection,
    _running: Running,
}

/// How often Redis was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// How many records were asked for, alone or together with others.
    pub(super) records: f64,
    /// How often Redis read from a connection.
    pub(super) reads: f64,
}

impl Redis {
    /// Starts the server.
    pub(super) fn start(folder: &Path) -> Result<Self, Failure> {
        let port = free_port()?;
        let mut command = Command::new(REDIS);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]);
        let running = Running::start(command.arg(folder).stdout(Stdio::null()))?;
        let url = format!("redis://127.0.0.1:{port}");
        let client = Client::open(&*url)?;
        let begun = Instant::now();
        let connection = loop {
            match client.get_connection() {
                Err(_) if begun.elapsed() < PATIENCE => sleep(Duration::from_millis(20)),
                done => break done?,
            }
        };
        Ok(Self {
            url,
            connection,
            _running: running,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sets all counters to 0.
    pub(super) fn forget_statistics(&mut self) -> Result<(), Failure> {
        Ok(cmd("CONFIG").arg("RESETSTAT").exec(&mut self.connection)?)
    }

    /// Returns what was counted since then.
    pub(super) fn asked(&mut self) -> Result<Asked, Failure> {
        let info: InfoDict = cmd("INFO").arg("all").query(&mut self.connection)?;
        let calls = |name: &str| -> f64 {
            let counted: Option<String> = info.get(&format!("cmdstat_{name}"));
            let counted = counted.as_deref().and_then(|line| line.split(',').next());
            let calls = counted.and_then(|counted| counted.strip_prefix("calls="));
            calls.and_then(|calls| calls.parse().ok()).unwrap_or(0.0)
        };
        // Redis also counts the commands that a script runs. Ours reads each record by one GET, and
        // writes only in a script. The peer has no scripts.
        let scripts = calls("evalsha") + calls("eval");
        let gets = calls("get").max(scripts);
        let sets = if scripts > 0.0 { 0.0 } else { calls("set") };
        Ok(Asked {
            records: gets + sets,
            reads: info.get("total_reads_processed").unwrap_or(0.0),
        })
    }
}
