//! The log-in page as a file gives it.

use serde::{Deserialize, Deserializer};

use super::text::parsed;
use crate::respond::response::LoginTimeoutResponse;

/// Where visitors log in.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename = "login_page", deny_unknown_fields)]
pub(super) struct LoginPage {
    #[serde(deserialize_with = "path")]
    pub(super) path: String,
    #[serde(default)]
    pub(super) return_url_name: Option<String>,
}

impl LoginPage {
    /// Adds the page to an answer.
    pub(super) fn added_to(&self, answer: LoginTimeoutResponse) -> LoginTimeoutResponse {
        let answer = answer.with_login_page(&*self.path);
        match &self.return_url_name {
            Some(name) => answer.with_return_url_name(&**name),
            None => answer,
        }
    }
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    parsed(deserializer, "path", "text such as \"/login\"", checked)
}

/// Checks that browsers take a text for a page of the same site. It may have a query.
pub(super) fn checked(path: &str) -> Result<String, String> {
    let is_page = |rest: &str| !rest.starts_with(['/', '\\']);
    let has_line_end = path.bytes().any(|byte| byte.is_ascii_control());
    if path.strip_prefix('/').is_some_and(is_page) && !has_line_end {
        Ok(path.to_owned())
    } else {
        Err(format!(
            "{path:?} is no page of this site: begin it with one slash, such as \"/login\""
        ))
    }
}
