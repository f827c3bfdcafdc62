//! Measures what a contender adds to a build.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::Failure;
use crate::effort::Effort;
use crate::figures::Figures;
use crate::processes::{Folder, output};

/// An application that somebody would write, and the line that it needs in its manifest.
struct App {
    id: &'static str,
    dependency: &'static str,
    code: &'static str,
}

const APPS: [App; 4] = [
    App {
        id: "bare",
        dependency: "",
        code: include_str!("../apps/bare.rs"),
    },
    App {
        id: "ours",
        dependency: concat!(
            "tower-login-timeout = { path = '",
            env!("CARGO_MANIFEST_DIR"),
            "/../..', features = ['axum'] }"
        ),
        code: include_str!("../apps/ours.rs"),
    },
    App {
        id: "tower-sessions",
        dependency: "tower-sessions = '0.15'",
        code: include_str!("../apps/tower-sessions.rs"),
    },
    App {
        id: "axum_session",
        dependency: "axum_session = '0.22'",
        code: include_str!("../apps/axum_session.rs"),
    },
];

const MANIFEST: &str = "[package]
name = 'app'
version = '0.0.0'
edition = '2024'

[profile.release]
strip = true

[dependencies]
axum = '0.8'
tokio = { version = '1', features = ['macros', 'net', 'rt-multi-thread'] }
";

/// A clean build takes its time.
const ROUNDS: usize = 3;

/// The same versions for all.
const LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");

/// Builds the same small application without any of them and with each, in turn, from nothing. A quick run only counts the crates.
///
/// # Errors
///
/// If one cannot be built.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let places = APPS
        .iter()
        .map(|app| app.write(folder.path()))
        .collect::<Result<Vec<_>, _>>()?;
    let crates = places
        .iter()
        .map(|place| Ok(crates(place)?.len() as f64))
        .collect::<Result<Vec<_>, Failure>>()?;
    for (app, crates_of) in APPS.iter().zip(&crates).skip(1) {
        let added = crates_of - crates[0];
        figures.add(format!("build.{}.crates", app.id), "crates", &[added]);
    }
    match effort {
        Effort::Quick => figures.note("builds: a quick run counts crates and builds nothing."),
        Effort::Full => build(figures, &places)?,
    }
    Ok(())
}

fn build(figures: &mut Figures, places: &[PathBuf]) -> Result<(), Failure> {
    let mut seconds = vec![Vec::new(); places.len()];
    let mut kilobytes = vec![0.0; places.len()];
    for _ in 0..ROUNDS {
        for ((place, seconds), size) in places.iter().zip(&mut seconds).zip(&mut kilobytes) {
            let target = place.join("target");
            // There is none before the first round.
            let _ = fs::remove_dir_all(&target);
            let begun = Instant::now();
            output(cargo(place).args(["build", "--release", "--quiet"]))?;
            seconds.push(begun.elapsed().as_secs_f64());
            *size = fs::metadata(target.join("release/app"))?.len() as f64 / 1_000.0;
        }
    }
    for ((app, seconds_of), size) in APPS.iter().zip(&seconds).zip(&kilobytes) {
        let id = app.id;
        figures.add(format!("build.{id}.whole.seconds"), "s", seconds_of);
        figures.add(format!("build.{id}.whole.size"), "kB", &[*size]);
        if id != "bare" {
            let pairs = seconds_of.iter().zip(&seconds[0]);
            let added: Vec<f64> = pairs.map(|(own, bare)| own - bare).collect();
            figures.add(format!("build.{id}.seconds"), "s", &added);
            figures.add(format!("build.{id}.size"), "kB", &[size - kilobytes[0]]);
        }
    }
    Ok(())
}

impl App {
    fn write(&self, folder: &Path) -> Result<PathBuf, Failure> {
        let place = folder.join(self.id);
        fs::create_dir_all(place.join("src"))?;
        fs::write(
            place.join("Cargo.toml"),
            format!("{MANIFEST}{}\n", self.dependency),
        )?;
        fs::write(place.join("src/main.rs"), self.code)?;
        fs::copy(LOCK, place.join("Cargo.lock"))?;
        // Nothing is to be downloaded while the clock runs.
        output(cargo(&place).args(["fetch", "--quiet"]))?;
        Ok(place)
    }
}

/// The crates that are compiled for this machine, for the application and for its build scripts and macros.
fn crates(place: &Path) -> Result<BTreeSet<String>, Failure> {
    let mut command = cargo(place);
    command.args([
        "tree",
        "--prefix",
        "none",
        "--edges",
        "normal,build",
        "--format",
        "{p}",
    ]);
    let tree = output(&mut command)?;
    let name = |line: &str| line.trim_end_matches(" (*)").to_owned();
    Ok(tree
        .lines()
        .map(name)
        .filter(|name| !name.starts_with("app "))
        .collect())
}

fn cargo(place: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(place)
        .env("CARGO_TARGET_DIR", place.join("target"))
        // What this program itself was built with is not to shape what it builds.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    command
}
