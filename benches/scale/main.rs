//! Measures what `docs/scale.md` computes with: a cold node, bytes, commands, followers, failures.
//!
//! Prints lines of `name value unit`. Each part starts the servers that it needs. `cargo bench
//! --bench scale --all-features -- cold` runs one part, and without a name every part runs.

#[path = "../../tests/common/mod.rs"]
mod common;

mod cold;
mod commands;
mod counting;
mod crowd;
mod followers;
mod load;
mod lost_shard;
mod memory;
mod pace;
mod redis_info;
mod revocation;

use std::collections::BTreeSet;

use tower_login_timeout::BoxError;

/// Measures one part, and prints what it found.
type Part = fn() -> Result<(), BoxError>;

const PARTS: [(&str, Part); 7] = [
    ("cold", cold::run),
    ("memory", memory::run),
    ("commands", commands::run),
    ("followers", followers::run),
    ("pace", pace::run),
    ("revocation", revocation::run),
    ("lost-shard", lost_shard::run),
];

fn main() -> Result<(), BoxError> {
    let wanted: BTreeSet<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let known = |name: &String| PARTS.iter().any(|(part, _)| part == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let parts = PARTS.map(|(part, _)| part).join(", ");
        return Err(format!("`{unknown}` is no part: name some of {parts}").into());
    }
    for (part, run) in PARTS {
        if wanted.is_empty() || wanted.contains(part) {
            run()?;
        }
    }
    Ok(())
}
