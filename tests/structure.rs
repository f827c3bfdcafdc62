//! Tests of the structure of `src`: which file imports from which.
//!
//! Every `use` path of every file is resolved to the file that it names. Folders may import from
//! folders further down in [`ORDER`] only, and files never import from each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders and files at the top of `src`, from the top down.
const ORDER: [&str; 13] = [
    "lib",
    "settings",
    "middleware",
    "browser",
    "extract",
    "tracker",
    "observe",
    "respond",
    "store",
    "identify",
    "request",
    "clock",
    "session",
];

type Imports = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

#[test]
fn no_folder_imports_from_one_above_it() {
    for (file, targets) in imports() {
        for target in targets {
            let (from, to) = (top(&file), top(&target));
            let position = |name: &str| {
                let found = ORDER.iter().position(|known| *known == name);
                found.unwrap_or_else(|| panic!("`{name}` has no place in the order"))
            };
            assert!(
                position(&from) <= position(&to),
                "{} imports from {}, which is above it",
                file.display(),
                target.display()
            );
        }
    }
}

#[test]
fn no_files_import_from_each_other_in_a_circle() {
    let imports = imports();
    let circles: Vec<_> = imports
        .keys()
        .filter_map(|start| {
            way_back(
                &imports,
                start,
                start,
                &mut BTreeSet::new(),
                &mut Vec::new(),
            )
        })
        .collect();
    assert!(circles.is_empty(), "circles of imports: {circles:#?}");
}

#[test]
fn every_import_is_resolved() {
    let imports = imports();
    let edges: usize = imports.values().map(BTreeSet::len).sum();
    assert!(imports.len() > 60, "only {} files found", imports.len());
    assert!(edges > 200, "only {edges} imports found");
    let known = [
        ("middleware/service.rs", "middleware/future.rs"),
        ("session/touch.rs", "session/policy.rs"),
        ("store/memory/shard.rs", "store/memory/slot.rs"),
        ("lib.rs", "tracker/all_sessions.rs"),
    ];
    for (file, target) in known {
        let found = &imports[Path::new(file)];
        assert!(found.contains(Path::new(target)), "{file}: {found:?}");
    }
}

#[test]
fn every_file_says_first_what_it_contains() {
    for file in rust_files(&source()) {
        let text = fs::read_to_string(&file).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let is_statement = first.starts_with("//! ") && !first.ends_with('?');
        assert!(is_statement, "{}: {first}", file.display());
    }
}

#[test]
fn only_the_clock_asks_for_the_time() {
    for file in rust_files(&source()) {
        let text = fs::read_to_string(&file).unwrap();
        let asks = code(&text).any(|line| line.contains("SystemTime::now"));
        assert!(
            !asks || file.ends_with("clock/system.rs"),
            "{}",
            file.display()
        );
    }
}

#[test]
fn the_rules_of_a_session_do_no_io_and_know_no_http() {
    for file in rust_files(&source().join("session")) {
        let text = fs::read_to_string(&file).unwrap();
        for line in code(&text) {
            for word in ["async", "await", "http::", "tokio", "cfg("] {
                assert!(!line.contains(word), "{}: {line}", file.display());
            }
        }
    }
}

/// Returns a way from `file` back to `start`, if there is one.
fn way_back<'a>(
    imports: &'a Imports,
    start: &Path,
    file: &'a Path,
    seen: &mut BTreeSet<&'a Path>,
    path: &mut Vec<&'a Path>,
) -> Option<Vec<PathBuf>> {
    path.push(file);
    for target in imports.get(file).into_iter().flatten() {
        if target == start {
            return Some(path.iter().map(|file| file.to_path_buf()).collect());
        }
        if seen.insert(target)
            && let Some(circle) = way_back(imports, start, target, seen, path)
        {
            return Some(circle);
        }
    }
    path.pop();
    None
}

/// Returns the files that each file imports from. Paths are relative to `src`.
fn imports() -> Imports {
    let source = source();
    let files = rust_files(&source);
    let files: BTreeSet<PathBuf> = files
        .iter()
        .map(|file| file.strip_prefix(&source).unwrap().to_owned())
        .collect();
    let mut imports = Imports::new();
    for file in &files {
        let text = fs::read_to_string(source.join(file)).unwrap();
        let code: String = code(&text).flat_map(|line| [line, "\n"]).collect();
        let targets = used_paths(&code)
            .iter()
            .filter_map(|path| resolved(&files, file, path))
            .filter(|target| target != file)
            .collect();
        imports.insert(file.clone(), targets);
    }
    imports
}

/// Returns every path that a `use` statement names, and every path in the code that begins with
/// `crate::`.
fn used_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for statement in code.split("use ").skip(1) {
        if let Some((tree, _)) = statement.split_once(';') {
            let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
            flatten("", &tree, &mut paths);
        }
    }
    for place in code.split("crate::").skip(1) {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let path = place.split(|c: char| !is_part(c)).next().unwrap();
        paths.push(format!("crate::{path}"));
    }
    paths
}

/// Splits `a::{b, c::{d, e}}` into `a::b`, `a::c::d` and `a::c::e`.
fn flatten(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((before, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap();
        paths.push(format!("{prefix}{path}"));
        return;
    };
    let inner = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut start) = (0, 0);
    for (index, character) in inner.char_indices().chain([(inner.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = &inner[start..index];
                if !part.trim().is_empty() {
                    flatten(&format!("{prefix}{before}"), part, paths);
                }
                start = index + 1;
            }
            _ => {}
        }
    }
}

/// Returns the file that a path names, if it is one of this crate's.
fn resolved(files: &BTreeSet<PathBuf>, file: &Path, path: &str) -> Option<PathBuf> {
    let mut segments = path.split("::").peekable();
    let is_root_of_folder = file.ends_with("mod.rs") || file.ends_with("lib.rs");
    let mut folder = match segments.peek().copied()? {
        "crate" => {
            segments.next();
            PathBuf::new()
        }
        "super" | "self" => {
            // The folder in which the modules beside this one are.
            let mut folder = file.parent()?.to_owned();
            if is_root_of_folder && segments.next()? == "super" {
                folder.pop();
            } else if !is_root_of_folder {
                segments.next();
            }
            while segments.peek() == Some(&"super") {
                segments.next();
                folder.pop();
            }
            folder
        }
        first if is_root_of_folder => {
            let folder = file.parent()?;
            let is_here = files.contains(&folder.join(format!("{first}.rs")))
                || files.contains(&folder.join(first).join("mod.rs"));
            // `pub use cookie::…` in a file without a module of that name is another crate.
            is_here.then(|| folder.to_owned())?
        }
        _ => return None,
    };
    for segment in segments {
        let leaf = folder.join(format!("{segment}.rs"));
        if files.contains(&leaf) {
            return Some(leaf);
        }
        let inner = folder.join(segment);
        if !files.contains(&inner.join("mod.rs")) {
            break;
        }
        folder = inner;
    }
    let root = folder.join("mod.rs");
    files.contains(&root).then_some(root)
}

/// Returns the lines of code before the unit tests, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
}

/// Returns the first part of a path: `store` for `store/memory/slot.rs`.
fn top(path: &Path) -> String {
    let first = path.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
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
