//! Tests of a node whose wall clock steps, with the layer over a real Redis.
//!
//! The node is this program again, started with libfaketime, which lets the wall clock of one
//! process step. It needs the Debian package `faketime`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use tower_login_timeout::{Clock, RedisStore, SystemClock};

use crate::common::redis;
use crate::common::servers::Folder;
use crate::common::site::{Site, policy};

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_secs(20 * 60);

/// Where the node finds its Redis, and how far its wall clock is off.
const URL: &str = "CLOCK_STEP_URL";
const OFFSET: &str = "FAKETIME_TIMESTAMP_FILE";

#[test]
fn a_step_of_the_wall_clock_ends_no_session() {
    let server = redis::one();
    let folder = Folder::new("clock-step");
    let offset = folder.path().join("offset");
    fs::write(&offset, "+0").unwrap();
    let node = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "redis::clock_step::node",
            "--ignored",
            "--nocapture",
        ])
        .env(URL, redis::url(&server))
        .env(OFFSET, &offset)
        .env("LD_PRELOAD", library())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&node.stdout);
    assert!(node.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

#[tokio::test]
#[ignore = "the test above starts it as a node of its own"]
async fn node() {
    let store = RedisStore::connect(&env::var(URL).unwrap()).await.unwrap();
    let clock = store.clock().await.unwrap();
    let site = Site::with_store(policy(), store);
    let site = site.configured(|layer| layer.with_clock(clock.clone()));
    site.start("alpha").await;
    let (wall, followed) = (SystemClock.now(), clock.now());
    // Ahead, and back to before the beginning.
    for (offset, expected) in [
        ("+1200", wall.saturating_add(STEP)),
        ("-1200", wall.saturating_sub(STEP)),
    ] {
        fs::write(env::var_os(OFFSET).unwrap(), offset).unwrap();
        let stepped = SystemClock.now().as_unix_millis();
        let error = stepped.abs_diff(expected.as_unix_millis());
        assert!(error < 30_000, "the wall clock did not step: {error} ms");
        assert_eq!(site.status("alpha").await, 200);
        assert!(clock.now().saturating_duration_since(followed) < 30 * SECOND);
        assert!(clock.now() >= followed);
    }
}

/// The library that lets the wall clock of a process step.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap();
    let mut libraries = folders.map(|folder| {
        let folder = folder.unwrap().path();
        folder.join("faketime/libfaketimeMT.so.1")
    });
    let found = libraries.find(|library| library.exists());
    found.expect("libfaketime is missing: install the package `faketime`")
}
