//! Tests of the settings in a file: the command line wins, and SIGHUP reads the file again.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;

use crate::common::example::{Example, command, run};
use crate::common::http1::{Message, Wire, ask, get, request};
use crate::common::servers::Folder;
use crate::common::website;

const ALPHA: &str = "cookie: sid=alpha";
const REMAINING: &str = "login-timeout-remaining";

/// A file of settings in a folder of its own.
struct File {
    path: PathBuf,
    _folder: Folder,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = Folder::new("config");
        let path = folder.path().join("proxy.toml");
        let file = Self {
            path,
            _folder: folder,
        };
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    fn start(&self, options: &[&str]) -> Example {
        let config = ["--config", self.path.to_str().unwrap()];
        Example::start("reverse_proxy", &[&config[..], options].concat())
    }

    /// Runs the proxy, which refuses the file, and returns what it says.
    fn refused(&self, options: &[&str]) -> String {
        let config = ["--config", self.path.to_str().unwrap()];
        let output = run("reverse_proxy", &[&config[..], options].concat());
        said(&output)
    }
}

fn said(output: &Output) -> String {
    assert!(!output.status.success());
    let said = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(said).unwrap()
}

/// Returns a file for this application, with more lines of `[sessions]`.
fn file(upstream: SocketAddr, sessions: &str) -> String {
    format!(
        "listen = '127.0.0.1:0'\n\
         upstream = 'http://{upstream}'\n\
         [sessions]\n\
         cookie = {{ name = 'sid' }}\n\
         remaining_header = true\n\
         {sessions}\n"
    )
}

async fn log_in(proxy: &Example) {
    ask(proxy.address, &request("POST", "/login", &[], "")).await;
}

/// Returns how many minutes the session has left, rounded up.
async fn minutes_left(proxy: &Example) -> u64 {
    minutes_in(&ask(proxy.address, &get("/", &[ALPHA])).await)
}

fn minutes_in(answer: &Message) -> u64 {
    let seconds: u64 = answer.header(REMAINING).unwrap().parse().unwrap();
    seconds.div_ceil(60)
}

#[tokio::test]
async fn the_file_says_what_the_command_line_leaves_out() {
    let upstream = website::start().await;
    let sessions = "policy.idle = '20m'\nanswer.status = 401\nexempt.paths = ['/free']";
    let proxy = File::new(&file(upstream, sessions)).start(&[]);
    log_in(&proxy).await;
    assert_eq!(minutes_left(&proxy).await, 20);
    let gone = "cookie: sid=gone";
    assert_eq!(ask(proxy.address, &get("/", &[gone])).await.status(), 401);
    assert_eq!(
        ask(proxy.address, &get("/free", &[gone])).await.status(),
        200
    );
}

#[tokio::test]
async fn the_command_line_wins() {
    let upstream = website::start().await;
    let sessions = "policy = { idle = '20m', absolute = '30m' }\nstore = 'mongodb://nowhere'\n\
                    passive.path_prefixes = ['/a']\nexempt.path_prefixes = ['/free']";
    let file = File::new(&file("127.0.0.1:1".parse().unwrap(), sessions));
    let upstream = format!("http://{upstream}");
    let options = [
        "--upstream",
        &upstream,
        "--idle",
        "2h",
        "--exempt-path",
        "/other",
    ];
    let proxy = file.start(&[&options[..], &["--store", "memory"]].concat());
    log_in(&proxy).await;
    // The idle timeout of the command line, the absolute timeout of the file.
    assert_eq!(minutes_left(&proxy).await, 30);
    let status = async |path| {
        ask(proxy.address, &get(path, &["cookie: sid=gone"]))
            .await
            .status()
    };
    assert_eq!(status("/other").await, 200);
    assert_eq!(status("/free").await, 440);
}

#[tokio::test]
async fn the_environment_wins() {
    let file = File::new(&file("127.0.0.1:1".parse().unwrap(), "store = 'memory:'"));
    let output = command("reverse_proxy", &["--config", file.path.to_str().unwrap()])
        .env("LOGIN_TIMEOUT_STORE", "sesame:sesame")
        .output()
        .unwrap();
    let said = said(&output);
    assert!(
        said.contains("no store") || said.contains("memory"),
        "{said}"
    );
    assert!(!said.contains("sesame"), "{said}");
}

#[tokio::test]
async fn a_signal_changes_the_settings_and_keeps_the_sessions() {
    let upstream = website::start().await;
    let config = File::new(&file(upstream, "policy.idle = '20m'"));
    let proxy = config.start(&[]);
    log_in(&proxy).await;
    assert_eq!(minutes_left(&proxy).await, 20);
    let mut kept_alive = Wire::connect(proxy.address).await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\ncookie: sid=alpha\r\n\r\n";
    assert_eq!(minutes_in(&kept_alive.ask(request).await), 20);

    config.write(&file(upstream, "policy.idle = '40m'\nanswer.status = 401"));
    proxy.hang_up();
    proxy.line("reloaded the settings");
    assert_eq!(minutes_left(&proxy).await, 40);
    assert_eq!(minutes_in(&kept_alive.ask(request).await), 40);
    let gone = get("/", &["cookie: sid=gone"]);
    assert_eq!(ask(proxy.address, &gone).await.status(), 401);

    // Back again, to another application.
    let other = website::start().await;
    config.write(&file(other, "policy.idle = '30m'"));
    proxy.hang_up();
    proxy.line("reloaded the settings");
    assert_eq!(minutes_left(&proxy).await, 30);
    assert_eq!(ask(proxy.address, &gone).await.status(), 440);
    let headers = ask(proxy.address, &get("/headers", &[ALPHA])).await.body;
    assert!(headers.contains("cookie: sid=alpha"), "{headers}");

    let nobody = "127.0.0.1:1".parse().unwrap();
    config.write(&file(nobody, ""));
    proxy.hang_up();
    proxy.line("reloaded the settings");
    let answer = ask(proxy.address, &get("/", &[ALPHA])).await;
    assert_eq!(answer.status(), 502);
}

#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing() {
    let upstream = website::start().await;
    let config = File::new(&file(upstream, "policy.idle = '20m'"));
    let proxy = config.start(&["--touch-every", "1m"]);
    log_in(&proxy).await;
    for (sessions, explanation) in [
        (
            "policy.idel = '40m'",
            "line 6: unknown field `idel`, expected one of `idle`",
        ),
        ("policy.idle = '0s'", "line 6: `idle`: zero"),
        ("policy = {", "line "),
        (
            "policy.idle = '1m'",
            "`touch_every` (60s) is not shorter than `idle` (60s)",
        ),
    ] {
        config.write(&file(upstream, sessions));
        proxy.hang_up();
        let reason = proxy.line("kept the old settings: ");
        assert!(reason.contains(explanation), "{reason}");
        assert_eq!(minutes_left(&proxy).await, 20);
    }
    fs::remove_file(&config.path).unwrap();
    proxy.hang_up();
    let reason = proxy.line("kept the old settings: ");
    assert!(reason.contains("cannot read"), "{reason}");
    config.write(&file(upstream, "policy.idle = '50m'"));
    proxy.hang_up();
    proxy.line("reloaded the settings");
    assert_eq!(minutes_left(&proxy).await, 50);
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_stays() {
    let upstream = website::start().await;
    let config = File::new(&file(upstream, "policy.idle = '20m'"));
    let proxy = config.start(&[]);
    log_in(&proxy).await;
    let sessions = "policy.idle = '40m'\nstore = 'sqlite:/nowhere/at/all.db'";
    let changed = file(upstream, sessions)
        .replace("'127.0.0.1:0'", "'127.0.0.1:1'")
        .replace("'sid'", "'id'");
    config.write(&changed);
    for _ in 0..2 {
        proxy.hang_up();
        let names = proxy.line("changed, and needs a restart: ");
        assert_eq!(names, "listen, sessions.store, sessions.cookie");
        proxy.line("reloaded the settings");
        // The session under the old cookie is still checked, and known.
        assert_eq!(minutes_left(&proxy).await, 40);
    }
}

#[test]
fn a_mistake_is_shown_with_its_line_and_without_a_password() {
    for (text, explanation) in [
        ("listen = 5", "line 1"),
        ("[sessions.cookie]\nname = 'a b'", "line 2: `name`: \"a b\""),
        (
            "upstream = 'https://a'",
            "`upstream`: write http://HOST:PORT",
        ),
        ("[sessions]\nstore = redis://:sesame@a", "line 2"),
        ("[sessions]\nstore = ['redis://:sesame@a']", "line 2"),
        (
            "[sessions]\nstor = 'redis://:sesame@a'",
            "line 2: unknown field `stor`",
        ),
        ("cookie = 'sid'", "unknown field `cookie`"),
        ("", "name the application: `--upstream"),
        (
            "upstream = 'http://127.0.0.1:1'",
            "session cookie: `--cookie NAME`",
        ),
    ] {
        let said = File::new(text).refused(&[]);
        assert!(said.contains(explanation), "{text}: {said}");
        assert!(!said.contains("sesame"), "{text}: {said}");
    }
    let output = run("reverse_proxy", &["--config", "/nowhere/proxy.toml"]);
    assert!(said(&output).contains("cannot read /nowhere/proxy.toml"));
}

#[tokio::test]
async fn the_file_of_the_example_is_read() {
    let upstream = format!("http://{}", website::start().await);
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/reverse_proxy/proxy.toml"
    );
    let options = [
        "--config",
        path,
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        &upstream,
    ];
    let proxy = Example::start(
        "reverse_proxy",
        &[&options[..], &["--cookie", "sid"]].concat(),
    );
    log_in(&proxy).await;
    assert_eq!(minutes_left(&proxy).await, 20);
}
