//! Requests that a file selects by their paths.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::text::{self, parsed};
use crate::middleware::rules::Rules;
use crate::request::head::RequestHead;
use crate::request::rule::{self, Rule};

/// The requests for some paths, and for all below some prefixes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename = "rule", default, deny_unknown_fields)]
pub(super) struct Paths {
    paths: Vec<Path>,
    path_prefixes: Vec<PathPrefix>,
}

/// Reads the paths of exempt requests.
pub(super) fn exempt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Paths, D::Error> {
    let exempt = Paths::deserialize(deserializer)?;
    let is_everything = |prefix: &PathPrefix| prefix.0.trim_matches('/').is_empty();
    if exempt.path_prefixes.iter().any(is_everything) {
        return Err(D::Error::custom(
            "`exempt`: all paths are below the prefix \"/\", so no request would be checked: name \
             the paths that need no session",
        ));
    }
    Ok(exempt)
}

impl Paths {
    /// Selects one path.
    #[cfg(feature = "web-config")]
    pub(super) fn one(path: &str) -> Self {
        Self {
            paths: vec![Path(path.to_owned())],
            path_prefixes: Vec::new(),
        }
    }

    /// Returns the rule that matches these requests.
    pub(super) fn rule(&self) -> impl Rule + use<> {
        let mut rules = Rules::default();
        for Path(path) in &self.paths {
            rules.push(rule::path(path));
        }
        for PathPrefix(prefix) in &self.path_prefixes {
            rules.push(rule::path_prefix(prefix));
        }
        move |request: RequestHead<'_>| rules.any(request)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.path_prefixes.is_empty()
    }
}

#[derive(Clone, Debug)]
struct Path(String);

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "paths", "texts such as \"/poll\"", text::path).map(Self)
    }
}

#[derive(Clone, Debug)]
struct PathPrefix(String);

impl<'de> Deserialize<'de> for PathPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "texts such as \"/static\"";
        parsed(deserializer, "path_prefixes", expected, text::path).map(Self)
    }
}
