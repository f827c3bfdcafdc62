//! Do dependencies point down only?

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up. A folder's rooms are on its floor.
const FLOORS: [&[&str]; 6] = [
    &["clock", "head", "key", "split"],
    &["activity", "identify", "policy", "rule", "touch", "verdict"],
    &["event", "respond", "store"],
    &["browser", "extract", "tracker"],
    &[
        "answer",
        "body",
        "future",
        "layer",
        "recording",
        "service",
        "visit",
    ],
    &["lib"],
];

#[test]
fn nothing_imports_from_a_higher_floor() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = 0;
    for file in rust_files(&source) {
        let room = room(file.strip_prefix(&source).unwrap());
        let text = fs::read_to_string(&file).unwrap();
        for line in code(&text) {
            for other in line.split("crate::").skip(1) {
                let other = other
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap();
                // `crate::{…}` or an item of the root.
                assert!(
                    floor(other).is_some(),
                    "{}: import from the room where it is: `{line}`",
                    file.display()
                );
                assert!(
                    floor(other) <= floor(&room),
                    "{}: `{other}` is above `{room}`",
                    file.display()
                );
                imports += 1;
            }
        }
    }
    assert!(
        imports > 50,
        "only {imports} imports found: does this test still read them?"
    );
}

#[test]
fn every_room_has_a_floor_and_says_its_question_first() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&source) {
        let room = room(file.strip_prefix(&source).unwrap());
        assert!(floor(&room).is_some(), "{room} has no floor");
        let text = fs::read_to_string(&file).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{}: {first}", file.display());
        assert!(
            room == "lib" || first.contains('?'),
            "{}: {first}",
            file.display()
        );
    }
}

#[test]
fn only_the_clock_asks_for_the_time() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&source) {
        let text = fs::read_to_string(&file).unwrap();
        let asks = code(&text).any(|line| line.contains("SystemTime::now"));
        assert!(!asks || file.ends_with("clock.rs"), "{}", file.display());
    }
}

#[test]
fn the_policy_does_no_io_and_knows_no_http() {
    for room in ["policy", "activity", "touch", "verdict"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{room}.rs"));
        let text = fs::read_to_string(file).unwrap();
        for line in code(&text) {
            for word in ["async", "await", "http::", "tokio", "cfg("] {
                assert!(!line.contains(word), "{room}: {line}");
            }
        }
    }
}

/// The lines of code before the unit tests, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

/// The first part of a path: `store` for `store/memory.rs`.
fn room(path: &Path) -> String {
    let first = path
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
