//! The log-ins of an application whose visitors have a cookie too, as a file gives them.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::paths::Paths;
use super::times;
use crate::middleware::layer::LoginTimeoutLayer;
use crate::middleware::visitors::Visitors;
use crate::session::limits::Limits;
use crate::store::activity_store::ActivityStore;

/// Which requests log in and out, and how long visitors live.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename = "visitors", deny_unknown_fields)]
pub(super) struct VisitorRules {
    #[serde(deserialize_with = "log_in")]
    log_in: Paths,
    #[serde(default)]
    log_out: Paths,
    #[serde(default, deserialize_with = "times::idle")]
    idle: Option<Duration>,
    #[serde(default, deserialize_with = "times::absolute")]
    absolute: Option<Duration>,
}

impl VisitorRules {
    /// Lets the layer tell log-ins from other responses.
    pub(super) fn added_to<St>(&self, layer: LoginTimeoutLayer<St>) -> LoginTimeoutLayer<St>
    where
        St: ActivityStore,
    {
        let visitors = Visitors::new()
            .with_log_in(self.log_in.rule())
            .with_log_out(self.log_out.rule())
            .with_limits(self.limits());
        layer.with_visitors(visitors)
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        // A limit of zero was refused when the file was read.
        if let Some(idle) = self.idle {
            limits = limits.with_idle(idle).unwrap_or(limits);
        }
        if let Some(absolute) = self.absolute {
            limits = limits.with_absolute(absolute).unwrap_or(limits);
        }
        limits
    }
}

fn log_in<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Paths, D::Error> {
    let log_in = Paths::deserialize(deserializer)?;
    if log_in.is_empty() {
        return Err(D::Error::custom(
            "`log_in`: without a path, nobody would ever log in: name the path that the log-in form \
             is sent to",
        ));
    }
    Ok(log_in)
}
