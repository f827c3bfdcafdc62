//! Tests of the settings that are read from an ASP.NET `web.config`.

mod common;

mod web_config {
    mod documented;
    mod forms;
    mod hostile;
    mod mistakes;
    mod session_state;
}

use http::{HeaderMap, Request};
use tower_login_timeout::{CookieId, IdentifySession, LeftOut, Presented, RequestHead, WebConfig};

/// Reads a file, which has no mistake.
fn read(file: &str) -> WebConfig {
    WebConfig::read(file.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{file}"))
}

/// Reads a file with these elements in `<system.web>`.
fn web(elements: &str) -> WebConfig {
    read(&format!(
        "<configuration>\n<system.web>\n{elements}\n</system.web>\n</configuration>"
    ))
}

/// Reads a file with forms authentication, and these attributes of `<forms>`.
fn forms(attributes: &str) -> WebConfig {
    web(&format!(
        "<authentication mode=\"Forms\">\n<forms {attributes} />\n</authentication>"
    ))
}

/// Returns the `Set-Cookie` that removes the cookie.
fn removal(web_config: &WebConfig) -> String {
    removal_of(web_config.settings().cookie().unwrap())
}

fn removal_of(cookie: &CookieId) -> String {
    let mut headers = HeaderMap::new();
    cookie.forget(&mut headers);
    headers["set-cookie"].to_str().unwrap().to_owned()
}

/// Returns whether the cookie of this name is read as the session's.
fn reads(web_config: &WebConfig, name: &str) -> bool {
    let request = Request::get("/").header("cookie", format!("{name}=a"));
    let request = request.body(()).unwrap();
    let cookie = web_config.settings().cookie().unwrap();
    cookie.identify(RequestHead::from(&request)) != Presented::None
}

/// Returns what is left out, without why.
fn left_out(web_config: &WebConfig) -> Vec<&str> {
    web_config.left_out().iter().map(LeftOut::what).collect()
}
