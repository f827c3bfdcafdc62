//! The machine and the versions that were measured.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use time::OffsetDateTime;

use crate::processes::{REDIS, WRK, output};

const LOCK: &str = include_str!("../Cargo.lock");

/// The crates whose versions matter.
const CRATES: [&str; 10] = [
    "tower-login-timeout",
    "tower-sessions",
    "tower-sessions-memory-store",
    "tower-sessions-redis-store",
    "axum_session",
    "axum",
    "hyper",
    "tokio",
    "redis",
    "fred",
];

/// What the reader must know of the machine, the day and the versions, a line each.
pub fn described() -> Vec<String> {
    let mut lines = vec![
        format!("date: {}", OffsetDateTime::now_utc().date()),
        format!(
            "processor: {}, {} cores",
            line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            thread::available_parallelism().map_or(1, usize::from)
        ),
    ];
    if let Some(memory) = line_of("/proc/meminfo", "MemTotal") {
        lines.push(format!("memory: {memory}"));
    }
    if let Ok(kernel) = fs::read_to_string("/proc/sys/kernel/osrelease") {
        lines.push(format!("kernel: Linux {}", kernel.trim()));
    }
    if let Ok(version) = output(Command::new("rustc").arg("--version")) {
        lines.push(format!("compiler: {}", version.trim()));
    }
    if let Ok(version) = REDIS.version() {
        lines.push(format!("redis: {version}"));
    }
    // wrk knows no `--version`, and says it all the same.
    if let Ok(version) = WRK.version() {
        lines.push(format!(
            "load: {}",
            version.split(" Copyright").next().unwrap_or_default()
        ));
    }
    lines.push(format!("crates: {}", versions().join(", ")));
    lines
}

/// Which share of its time the machine is busy with something else, while this program sleeps for a second.
pub fn busy() -> Option<f64> {
    let (all, idle) = processor_time()?;
    thread::sleep(Duration::from_secs(1));
    let (all_later, idle_later) = processor_time()?;
    (all_later > all).then(|| 1.0 - (idle_later - idle) / (all_later - all))
}

/// What all processors did since the machine started, and how much of that was nothing.
fn processor_time() -> Option<(f64, f64)> {
    let line = line_of("/proc/stat", "cpu ")?;
    let times: Vec<f64> = line
        .split_whitespace()
        .map_while(|time| time.parse().ok())
        .collect();
    // The fourth is idle; the eighth, the last that is not counted twice, was stolen by other virtual machines.
    Some((times.iter().take(8).sum(), *times.get(3)?))
}

fn versions() -> Vec<String> {
    let packages = LOCK.split("[[package]]").skip(1).filter_map(|package| {
        let value = |name: &str| -> Option<&str> {
            let line = package.lines().find_map(|line| line.strip_prefix(name))?;
            line.strip_prefix(" = \"")?.strip_suffix('"')
        };
        Some((value("name")?, value("version")?))
    });
    packages
        .filter(|(name, _)| CRATES.contains(name))
        .map(|(name, version)| format!("{name} {version}"))
        .collect()
}

fn line_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}
