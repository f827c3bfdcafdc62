//! Tests of the command line: mistakes are refused with an explanation.

use std::process::Output;

use crate::common::example::{command, run};

#[test]
fn impossible_options_are_refused() {
    let needed = [
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "http://127.0.0.1:1",
        "--cookie",
        "sid",
    ];
    for (wrong, explanation) in [
        (&["--idle", "0s"][..], "zero"),
        (
            &["--idle", "20m", "--touch-every", "20m"],
            "`touch_every` (1200s) is not shorter",
        ),
        (&["--idle", "soon"], "--idle"),
        (&["--idle", "15M"], "`m` for minutes"),
        (&["--exempt-path", "static"], "starts with a slash"),
        (&["--exempt-path", ""], "starts with a slash"),
        (&["--exempt-path", "/"], "the whole site"),
        (&["--exempt-path", "//"], "the whole site"),
        (&["--browser", "/"], "the whole site"),
        (&["--passive-path", "poll"], "starts with a slash"),
        (&["--login-page", "login"], "starts with a slash"),
        (&["--unknown", "allow"], "expire, begin"),
        (
            &["--format", "yaml"],
            "negotiated, html, json, problem, text",
        ),
        (&["--trusted-proxy", "10.0.0.0/33"], "a range such as"),
        (&["--trusted-proxy", "::1/129"], "a range such as"),
        (&["--trusted-proxy", "lb.example"], "a range such as"),
        (&["--store", "disk"], "`memory"),
        (&["--store", "memory:disk"], "memory"),
        (&["--store-failure", "ignore"], "reject, allow"),
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

#[test]
fn a_password_is_not_shown_with_what_is_wrong_with_a_store() {
    for store in [
        "sesame",
        "sesame:sesame",
        "memory:sesame",
        "mongodb://user:sesame@127.0.0.1:1",
        "sqlite:///nowhere/sesame.db?mode=sesame",
        "postgres://user:sesame@127.0.0.1:1/app",
        "postgres://user:sesame@127.0.0.1:port/app",
        "mysql://user:sesame@127.0.0.1:1/app",
        "redis://:sesame@127.0.0.1:1",
        "redis://:sesame@127.0.0.1:port",
        "rediss://:sesame@127.0.0.1:1",
        "redis+sentinel://:sesame@127.0.0.1:1/mymaster",
        "redis+cluster://:sesame@127.0.0.1:1",
    ] {
        for cached in [&[][..], &["--cached"], &["--store", "memory"]] {
            let output = with_store(store, cached);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert!(!output.status.success(), "{store}: {said}");
            assert!(!said.is_empty(), "{store}");
            assert!(!said.contains("sesame"), "{store}: {said}");
        }
    }
}

#[test]
fn a_store_may_stand_in_the_environment_and_is_not_shown() {
    let needed = ["--upstream", "http://127.0.0.1:1", "--cookie", "sid"];
    for (more, explanation) in [
        ("--remaining-header", "`memory"),
        ("--help", "LOGIN_TIMEOUT_STORE"),
    ] {
        let output = command("reverse_proxy", &[&needed[..], &[more]].concat())
            .env("LOGIN_TIMEOUT_STORE", "sesame:sesame")
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains(explanation), "{said}");
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[test]
fn an_application_and_a_cookie_are_needed() {
    let output = run("reverse_proxy", &[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    for needed in ["--upstream <URL>", "--cookie <NAME>"] {
        assert!(error.contains(needed), "{error}");
    }
}

#[cfg(not(feature = "serde"))]
#[test]
fn a_file_without_its_feature_says_which_feature_to_add() {
    let error = String::from_utf8(run("reverse_proxy", &["--config", "a.toml"]).stderr).unwrap();
    assert!(error.contains("`--features serde`"), "{error}");
}

#[cfg(not(feature = "_shared"))]
#[test]
fn a_store_that_is_not_compiled_in_says_which_feature_to_add() {
    for (store, feature) in [
        ("sqlite:sessions.db", "sqlite"),
        ("postgres://127.0.0.1:1/app", "postgres"),
        ("mysql://127.0.0.1:1/app", "mysql"),
        ("redis://127.0.0.1:1", "redis"),
        ("redis+sentinel://127.0.0.1:1/mymaster", "redis"),
        ("redis+cluster://127.0.0.1:1", "redis"),
        ("rediss://127.0.0.1:1", "redis-tls"),
    ] {
        let error = String::from_utf8(with_store(store, &[]).stderr).unwrap();
        let advice = format!("`--features {feature}`");
        assert!(error.contains(&advice), "{store}: {error}");
    }
    let error = String::from_utf8(with_store("memory", &["--cached"]).stderr).unwrap();
    assert!(error.contains("`--features cached`"), "{error}");
}

fn with_store(store: &str, more: &[&str]) -> Output {
    let options = [
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "http://127.0.0.1:1",
        "--cookie",
        "sid",
        "--store",
        store,
    ];
    run("reverse_proxy", &[&options, more].concat())
}
