//! Tests of the example `audit`: it writes who signed in, out and was timed out.

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use common::example::command;
use common::http1::{Message, ask, get, request};
use serde_json::Value;

fn cookie(answer: &Message) -> String {
    let set = answer.header("set-cookie").unwrap();
    format!("cookie: {}", set.split(';').next().unwrap())
}

#[tokio::test]
async fn log_ins_log_outs_and_time_outs_are_lines_of_json_that_show_no_id() {
    let mut site = command("audit", &["127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(site.stdout.take().unwrap()).lines();
    let mut log = BufReader::new(site.stderr.take().unwrap()).lines();
    let address = out.next().unwrap().unwrap();
    let address = address.strip_prefix("listening on http://").unwrap();
    let address = address.parse().unwrap();

    let form = ["content-type: application/x-www-form-urlencoded"];
    let ada = cookie(&ask(address, &request("POST", "/login", &form, "name=Ada")).await);
    let bob = cookie(&ask(address, &request("POST", "/login", &form, "name=Bob")).await);
    ask(address, &request("POST", "/logout", &[&ada], "")).await;
    sleep(Duration::from_millis(2_100));
    for _ in 0..2 {
        assert_eq!(
            ask(address, &get("/inbox?q=1", &[&bob])).await.status(),
            440
        );
    }
    ask(address, &request("POST", "/login", &form, "name=Eve")).await;

    let lines: Vec<String> = (0..5).map(|_| log.next().unwrap().unwrap()).collect();
    site.kill().unwrap();
    site.wait().unwrap();
    let entries: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or("").to_owned();
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| ["user", "event", "path"].map(|name| text(entry, name)))
        .collect();
    let expected = [
        ["Ada", "signed in", ""],
        ["Bob", "signed in", ""],
        ["Ada", "signed out", ""],
        ["Bob", "timed out", "/inbox"],
        ["Eve", "signed in", ""],
    ];
    assert_eq!(seen, expected);
    assert_eq!(entries[0]["session"], entries[2]["session"]);
    assert_eq!(entries[1]["session"], entries[3]["session"]);
    assert!(entries[0]["at_unix_ms"].as_u64().unwrap() > 1_700_000_000_000);
    for cookie in [ada, bob] {
        let id = cookie.strip_prefix("cookie: sid=").unwrap();
        assert!(!lines.concat().contains(&id[..8]), "{lines:?}");
    }
}
