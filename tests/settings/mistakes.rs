//! Tests of mistakes in a file: each is refused with the line, the field and what to write.

use tower_login_timeout::Settings;

/// Checks that a file is refused, with its second line and these words.
#[track_caller]
fn refused(toml: &str, words: &[&str]) {
    let error = match toml::from_str::<Settings>(toml) {
        Ok(settings) => panic!("{toml} is taken: {settings:?}"),
        Err(error) => error.to_string(),
    };
    for word in words.iter().chain(&["line 2"]) {
        assert!(error.contains(word), "{toml}\n{error}\nhas no {word:?}");
    }
}

#[test]
fn unknown_fields_are_refused_with_the_known_ones() {
    for table in ["policy", "passive", "exempt", "answer"] {
        refused(
            &format!("[{table}]\noops = 1"),
            &["unknown field `oops`", "expected", "`"],
        );
    }
    refused("\nstor = 'memory:'", &["unknown field `stor`", "`store`"]);
    refused(
        "[cookie]\nhost = 'a'\nname = 'sid'",
        &["unknown field `host`", "`domain`"],
    );
    refused(
        "[login_page]\nurl = '/login'",
        &["unknown field `url`", "`path`"],
    );
    refused(
        "[cookie]\nother_places = [{ path = '/', host = 'a' }]\nname = 'sid'",
        &["unknown field `host`", "`domain`"],
    );
}

#[cfg(all(feature = "browser", feature = "cached"))]
#[test]
fn mistakes_in_fields_of_features_are_refused() {
    refused(
        "[browser]\nurl = '/session'",
        &["unknown field `url`", "`path`"],
    );
    refused(
        "[browser]\npath = 'session'",
        &["`path`", "begin it with a slash"],
    );
    refused(
        "[browser]\npath = '/'",
        &["`path`", "would hide the start page"],
    );
    refused(
        "[browser]\nwarn_before = '19s'\npath = '/s'",
        &["`warn_before`", "\"20s\""],
    );
    refused(
        "[near_cache]\nmax_stale = '1s'",
        &["`max_stale`", "`max_staleness`"],
    );
    refused(
        "[near_cache]\nflush_every = '0s'",
        &["`flush_every`: zero is too short"],
    );
    refused("[near_cache]\ncapacity = 0", &["nonzero"]);
    refused(
        "\nnear_cache = { max_staleness = '1m' }",
        &[
            "`near_cache`: `max_stale_on_error`",
            "is shorter than `max_staleness`",
        ],
    );
}

#[test]
fn times_are_refused() {
    for field in ["idle", "absolute"] {
        refused(
            &format!("[policy]\n{field} = '0s'"),
            &[
                &format!("`{field}`: zero would end every session"),
                "\"none\"",
            ],
        );
    }
    for field in [
        "idle",
        "absolute",
        "touch_every",
        "rotation_overlap",
        "store_timeout",
    ] {
        let soon = format!("[policy]\n{field} = 'soon'");
        refused(
            &soon,
            &[&format!("`{field}`: \"soon\" is no time"), "\"15m\""],
        );
        let number = format!("[policy]\n{field} = 900");
        refused(
            &number,
            &[&format!("expected `{field}` as a time with its unit")],
        );
    }
    refused(
        "[policy]\nremember_expired_for = ''",
        &["`remember_expired_for`"],
    );
    refused(
        "[policy]\nstore_timeout = '0s'",
        &["`store_timeout`: zero is too short"],
    );
    refused(
        "[policy]\ntouch_every = 'none'",
        &["`touch_every`: \"none\" is no time"],
    );
    refused(
        "\npolicy = { idle = '1m', touch_every = '1m' }",
        &["`policy`: `touch_every` (60s) is not shorter than `idle` (60s)"],
    );
}

#[test]
fn choices_are_refused_with_those_that_exist() {
    refused(
        "[policy]\nunknown = 'allow'",
        &["`allow`", "`expire` or `begin`"],
    );
    refused(
        "[policy]\nstore_failure = 'ignore'",
        &["`reject` or `allow`"],
    );
    refused(
        "[answer]\nformat = 'yaml'",
        &["`negotiated`, `html`, `json`"],
    );
    refused(
        "[cookie]\nsame_site = 'Lax'\nname = 'a'",
        &["`strict`, `lax`, `none`"],
    );
}

#[test]
fn cookies_are_refused() {
    refused(
        "[cookie]\nname = 'a b'",
        &["`name`: \"a b\" cannot be a cookie's name"],
    );
    refused("[cookie]\nname = ''", &["`name`"]);
    refused("[cookie]\npath = 'a;b'\nname = 'a'", &["`path`: \"a;b\""]);
    refused("[cookie]\ndomain = ''\nname = 'a'", &["`domain`: \"\""]);
    refused(
        "[cookie]\nother_places = [{ path = '' }]\nname = 'a'",
        &["`path`: \"\""],
    );
    refused("\ncookie = { path = '/' }", &["missing field `name`"]);
    refused(
        "\ncookie = { name = '__Host-sid', path = '/a' }",
        &["`cookie`: browsers keep a `__Host-` cookie only"],
    );
}

#[test]
fn answers_are_refused() {
    for status in ["200", "399", "600", "99999", "-1", "'440'", "440.5"] {
        let toml = format!("[answer]\nstatus = {status}");
        refused(&toml, &["`status` as a number from 400 to 599"]);
    }
    refused(
        "[answer]\nphrase = \"a\\nb\"",
        &["`phrase`", "cannot be a reason phrase"],
    );
    refused(
        "[answer]\nheaders = { Content-Length = '5' }",
        &["`headers`: \"content-length\" is set by the server"],
    );
    refused(
        "[answer]\nheaders = { 'a b' = '1' }",
        &["`headers`: \"a b\""],
    );
    refused(
        "[answer]\nheaders = { a = \"1\\n2\" }",
        &["`headers`: a header's value"],
    );
    refused(
        "[answer]\nheaders = { a = 1 }",
        &["a text, or a list of texts"],
    );
}

#[test]
fn paths_are_refused() {
    for path in ["static", "", "/a?b=c", "/a#b", "\\\\a"] {
        for rule in ["passive", "exempt"] {
            for field in ["paths", "path_prefixes"] {
                let toml = format!("[{rule}]\n{field} = ['{path}']");
                refused(&toml, &[&format!("`{field}`: "), "begin it with a slash"]);
            }
        }
    }
    for everything in ["/", "//"] {
        let toml = format!("\nexempt = {{ path_prefixes = ['{everything}'] }}");
        refused(&toml, &["`exempt`", "no request would be checked"]);
    }
    refused("\n[visitors]", &["missing field `log_in`"]);
    refused(
        "\nvisitors = { log_in = {} }",
        &["`log_in`: without a path, nobody would ever log in"],
    );
    for page in [
        "login",
        "",
        "//evil.example",
        "/\\evil.example",
        "https://a.example",
    ] {
        let toml = format!("[login_page]\npath = '{page}'");
        refused(&toml, &["`path`: ", "begin it with one slash"]);
    }
    refused(
        "\nlogin_page = { return_url_name = 'next' }",
        &["missing field `path`"],
    );
    refused("\nlogin_page = '/login'", &["invalid type"]);
}

#[test]
fn stores_are_refused_without_their_text() {
    refused("\nstore = ''", &["`store`: the URL is empty"]);
    refused("\nstore = 5", &["expected `store` as a URL"]);
}
