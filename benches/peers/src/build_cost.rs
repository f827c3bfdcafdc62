//! The cost that a contender adds to a build.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::Failure;
use crate::effort::Effort;
use crate::figures::Figures;
use crate::processes::{Folder, output};

/// A small application, with its line in the manifest.
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

/// The number of rounds: few, since a clean build takes long.
const ROUNDS: usize = 3;

/// The lock file, so that all have the same versions.
const LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");

/// Makes clean builds of a small application, in turn without a contender and with each of them.
/// A quick run only counts the crates.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let places = APPS
        .iter()
        .map(|app| app.write(folder.path()))
        .collect::<Result<Vec<_>, _>>()?;
    let bare = crates(&places[0])?;
    for (app, place) in APPS.iter().zip(&places).skip(1) {
        let added = crates(place)? - bare;
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
            // An error means that there is none yet, as in the first round.
            let _ = fs::remove_dir_all(&target);
            let begun = Instant::now();
            output(cargo(place).args(["build", "--release", "--quiet"]))?;
            seconds.push(begun.elapsed().as_secs_f64());
            *size = fs::metadata(target.join("release/app"))?.len() as f64 / 1_000.0;
        }
    }
    for ((app, own), size) in APPS.iter().zip(&seconds).zip(&kilobytes).skip(1) {
        let id = app.id;
        let added: Vec<f64> = own.iter().zip(&seconds[0]).map(|(a, b)| a - b).collect();
        figures.add(format!("build.{id}.seconds"), "s", &added);
        figures.add(format!("build.{id}.size"), "kB", &[size - kilobytes[0]]);
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
        // Downloads now, so that the measured time has no download in it.
        output(cargo(&place).args(["fetch", "--quiet"]))?;
        Ok(place)
    }
}

/// Counts the crates that are compiled: for the application, its build scripts and its macros.
fn crates(place: &Path) -> Result<f64, Failure> {
    let mut tree = cargo(place);
    tree.args(["tree", "--prefix", "none", "--format", "{p}"]);
    let printed = output(tree.args(["--edges", "normal,build"]))?;
    let names = printed.lines().map(|line| line.trim_end_matches(" (*)"));
    let names: HashSet<_> = names.filter(|name| !name.starts_with("app ")).collect();
    Ok(names.len() as f64)
}

fn cargo(place: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(place)
        .env("CARGO_TARGET_DIR", place.join("target"))
        // The settings of this program's own build do not apply to these builds.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    command
}
