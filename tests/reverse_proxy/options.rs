//! Are mistakes on the command line refused, and explained?

use crate::example::run;

#[test]
fn what_cannot_be_meant_is_refused() {
    let needed = [
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "http://127.0.0.1:1",
        "--cookie",
        "sid",
    ];
    for (wrong, explanation) in [
        (&["--idle", "0s"][..], "`idle` is zero"),
        (
            &["--idle", "20m", "--touch-every", "20m"],
            "`touch_every` (1200s) is not shorter",
        ),
        (&["--idle", "soon"], "--idle"),
        (&["--exempt-path", "static"], "starts with a slash"),
        (&["--exempt-path", ""], "starts with a slash"),
        (&["--passive-path", "poll"], "starts with a slash"),
        (&["--login-page", "login"], "starts with a slash"),
        (&["--unknown", "allow"], "expire, begin"),
        (
            &["--format", "yaml"],
            "negotiated, html, json, problem, text",
        ),
        (&["--store", "disk"], "memory"),
    ] {
        let output = run("reverse_proxy", &[&needed, wrong].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains(explanation),
            "{wrong:?}: {error}"
        );
    }
    for (upstream, cookie, explanation) in [
        ("https://127.0.0.1:1", "sid", "https is not supported"),
        ("http://127.0.0.1:1/base", "sid", "without a path"),
        ("127.0.0.1:1", "sid", "http://HOST:PORT"),
        ("http://127.0.0.1:1", "a b", "cannot be a cookie's name"),
    ] {
        let output = run(
            "reverse_proxy",
            &[
                "--listen",
                "127.0.0.1:0",
                "--upstream",
                upstream,
                "--cookie",
                cookie,
            ],
        );
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains(explanation),
            "{upstream}: {error}"
        );
    }
}
