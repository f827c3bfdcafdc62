//! The machine and the versions that are measured.

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

/// Describes the date, the machine and the versions, with a line for each.
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
    for (title, program) in [("redis", REDIS), ("load", WRK)] {
        // wrk does not know `--version`: it fails, but prints its version all the same.
        if let Ok(output) = Command::new(program).arg("--version").output() {
            let text = String::from_utf8_lossy(&output.stdout);
            let line = text.lines().next().unwrap_or_default();
            let version = line.split(" Copyright").next().unwrap_or_default();
            lines.push(format!("{title}: {version}"));
        }
    }
    lines.push(format!("crates: {}", versions().join(", ")));
    lines
}

/// Returns the share of its time that the machine is busy with something else. It is measured for a
/// second in which this program sleeps.
pub fn busy() -> Option<f64> {
    let (all, idle) = processor_time()?;
    thread::sleep(Duration::from_secs(1));
    let (all_later, idle_later) = processor_time()?;
    (all_later > all).then(|| 1.0 - (idle_later - idle) / (all_later - all))
}

/// Returns the time of all processors since the machine started, and how much of it they were idle.
fn processor_time() -> Option<(f64, f64)> {
    let line = line_of("/proc/stat", "cpu ")?;
    let times: Vec<f64> = line
        .split_whitespace()
        .map_while(|time| time.parse().ok())
        .collect();
    // The fourth is the idle time. The eighth is the time that other virtual machines took. The
    // ones after it are part of the first eight.
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

/// Returns the rest of the line of a file that begins with this name.
pub fn line_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}
