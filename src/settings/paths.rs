//! Requests that a file selects by their paths.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::text::{self, parsed};

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

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(|path| &*path.0)
    }

    pub(super) fn path_prefixes(&self) -> impl Iterator<Item = &str> {
        self.path_prefixes.iter().map(|prefix| &*prefix.0)
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
