//! What Redis says about itself: commands, memory and computing time.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::common::redis::{cli, info};
use crate::common::servers::Server;

/// How often a command was called, and how long it took in Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Command {
    pub(crate) calls: u64,
    pub(crate) micros: u64,
}

impl Command {
    pub(crate) fn micros_a_call(self) -> f64 {
        self.micros as f64 / self.calls.max(1) as f64
    }
}

impl AddAssign for Command {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.micros += other.micros;
    }
}

/// Forgets the counts of all commands.
pub(crate) fn reset(servers: &[&Server]) {
    for server in servers {
        cli(server.port(), &["CONFIG", "RESETSTAT"]);
    }
}

/// Returns the commands that were called since the reset, over all servers.
pub(crate) fn commands(servers: &[&Server]) -> BTreeMap<String, Command> {
    let mut all = BTreeMap::<String, Command>::new();
    for server in servers {
        for line in info(server.port(), "commandstats").lines() {
            let Some((name, figures)) = line
                .strip_prefix("cmdstat_")
                .and_then(|l| l.split_once(':'))
            else {
                continue;
            };
            let figure = |wanted: &str| {
                figures
                    .split(',')
                    .filter_map(|figure| figure.split_once('='))
                    .find(|(name, _)| *name == wanted)
                    .and_then(|(_, value)| value.trim().parse().ok())
                    .unwrap_or_default()
            };
            *all.entry(name.to_owned()).or_default() += Command {
                calls: figure("calls"),
                micros: figure("usec"),
            };
        }
    }
    all
}

/// Returns one command's counts.
pub(crate) fn command(servers: &[&Server], name: &str) -> Command {
    commands(servers).get(name).copied().unwrap_or_default()
}

/// Returns how long half of a command's calls took at most, in microseconds. On a busy machine the
/// mean counts the time in which Redis did not run.
pub(crate) fn median_micros(server: &Server, name: &str) -> f64 {
    let info = info(server.port(), "latencystats");
    let line = info.lines().find_map(|line| {
        let rest = line.strip_prefix("latency_percentiles_usec_")?;
        rest.strip_prefix(name)?.strip_prefix(":p50=")
    });
    let median = line.and_then(|line| line.split(',').next());
    median
        .and_then(|median| median.parse().ok())
        .unwrap_or_default()
}

/// Returns how many commands for sessions and the log clients have sent since the reset, if each
/// script touched one session. Such a script calls `GET` once, and Redis counts that as well.
pub(crate) fn sent(servers: &[&Server]) -> u64 {
    let calls = |name| command(servers, name).calls;
    let reads = calls("get").saturating_sub(calls("evalsha"));
    reads + calls("evalsha") + calls("xrange") + calls("xrevrange")
}

/// Returns one number of `INFO`.
pub(crate) fn number(server: &Server, section: &str, name: &str) -> f64 {
    let info = info(server.port(), section);
    let found = info
        .lines()
        .filter_map(|line| line.trim().split_once(':'))
        .find(|(field, _)| *field == name);
    found
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or_default()
}

/// Returns the computing time of the servers' main threads, in microseconds.
pub(crate) fn cpu_micros(servers: &[&Server]) -> f64 {
    let of_one = |server: &&Server| {
        let seconds = ["used_cpu_sys_main_thread", "used_cpu_user_main_thread"]
            .map(|name| number(server, "cpu", name));
        seconds.iter().sum::<f64>() * 1e6
    };
    servers.iter().map(of_one).sum()
}
