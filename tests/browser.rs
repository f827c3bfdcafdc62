//! Runs the tests of the page's half in Chromium and Firefox against the real layer.
//!
//! They need Node, its packages (`npm ci` in `tests/browser`), Chromium and Firefox.

use std::process::Command;

use axum::Router;
use tokio::net::TcpListener;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the example is a program, and this starts its site itself"
)]
mod browser {
    pub mod example;
    pub mod server;
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

/// Starts a site, and runs one file of tests in a browser of its own.
async fn passes(browser: &'static str, file: &'static str, name: &'static str, site: Router) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, site).await });

    let tests = tokio::task::spawn_blocking(move || {
        let mut tests = Command::new("node");
        tests
            .args(["--test", file])
            .current_dir(FOLDER)
            .env("LOGIN_TIMEOUT_SERVER", format!("http://{address}"))
            .env("LOGIN_TIMEOUT_SITE", name)
            .env("LOGIN_TIMEOUT_BROWSER", browser);
        tests.output()
    });
    let output = tests.await.unwrap().expect("node runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
}

/// Defines one test for each file, with the site that it sees, so that they run side by side.
macro_rules! files {
    ($browser:literal, $($test:ident: $site:ident,)*) => {
        pub(super) const FILES: &[&str] = &[$(concat!(stringify!($test), ".test.mjs")),*];
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let file = concat!(stringify!($test), ".test.mjs");
                passes($browser, file, stringify!($site), browser::$site::router()).await;
            }
        )*
    };
}

mod chromium {
    use super::{browser, passes};

    files! {
        "chromium",
        accessibility: server,
        activity: server,
        assets: server,
        end: server,
        example: example,
        frameworks: server,
        requests: server,
        restart: server,
        streams: server,
        tabs: server,
        trouble: server,
        types: server,
        warning: server,
    }
}

/// What can be driven there by the same commands. `tests/browser/README.md` says why the rest
/// cannot.
mod firefox {
    use super::{browser, passes};

    files! {
        "firefox",
        activity: server,
        end: server,
        requests: server,
        restart: server,
        streams: server,
        trouble: server,
        warning: server,
    }
}

#[test]
fn each_file_of_tests_is_run() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".test.mjs") {
            found.push(name);
        }
    }
    found.sort_unstable();
    assert_eq!(found, chromium::FILES);
    assert!(
        firefox::FILES
            .iter()
            .all(|file| chromium::FILES.contains(file))
    );
}
