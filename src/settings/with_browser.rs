//! The layer's answers to a page, as a file gives them.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::text::{self, parsed};
use super::times;
use crate::middleware::layer::LoginTimeoutLayer;
use crate::store::activity_store::ActivityStore;

/// Where pages ask, and when they warn.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename = "browser", deny_unknown_fields)]
pub(super) struct Browser {
    #[serde(deserialize_with = "path")]
    path: String,
    #[serde(default, deserialize_with = "times::warn_before")]
    warn_before: Option<Duration>,
}

impl Browser {
    /// Lets the layer answer pages.
    pub(super) fn added_to<St>(&self, layer: LoginTimeoutLayer<St>) -> LoginTimeoutLayer<St>
    where
        St: ActivityStore,
    {
        match self.warn_before {
            Some(before) => layer.with_browser_warning(&self.path, before),
            None => layer.with_browser(&self.path),
        }
    }
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    parsed(deserializer, "path", "text such as \"/session\"", |path| {
        let path = text::path(path)?;
        match path.trim_matches('/') {
            "" => {
                Err("\"/\" would hide the start page: use a path such as \"/session\"".to_owned())
            }
            _ => Ok(path),
        }
    })
}
