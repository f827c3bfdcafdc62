//! The store's URL, which may hold a password.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::text::parsed;

/// The store's URL. Neither `Debug` nor an error shows it.
#[derive(Clone)]
pub(super) struct StoreUrl(String);

impl StoreUrl {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self("memory:".to_owned())
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a URL such as \"redis://localhost\", or \"memory:\"";
        parsed(deserializer, "store", expected, |url| match url {
            "" => Err("the URL is empty: use \"memory:\" for the store in memory"),
            url => Ok(Self(url.to_owned())),
        })
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.split_once(':').map_or("?", |(scheme, _)| scheme);
        write!(f, "{scheme}:…")
    }
}
