//! The policy as a file gives it.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::times;
use crate::session::policy::{Policy, StoreFailure};
use crate::session::policy_error::PolicyError;

/// Reads a policy. What the file leaves out is as the builder has it.
pub(super) fn policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Policy, D::Error> {
    let file = PolicyFile::deserialize(deserializer)?;
    file.policy()
        .map_err(|error| D::Error::custom(format_args!("`policy`: {error}")))
}

#[derive(Default, Deserialize)]
#[serde(rename = "policy", default, deny_unknown_fields)]
struct PolicyFile {
    #[serde(deserialize_with = "times::idle")]
    idle: Option<Duration>,
    #[serde(deserialize_with = "times::absolute")]
    absolute: Option<Duration>,
    #[serde(deserialize_with = "times::touch_every")]
    touch_every: Option<Duration>,
    never_early: bool,
    #[serde(deserialize_with = "times::rotation_overlap")]
    rotation_overlap: Option<Duration>,
    #[serde(deserialize_with = "times::remember_expired_for")]
    remember_expired_for: Option<Duration>,
    #[serde(deserialize_with = "times::store_timeout")]
    store_timeout: Option<Duration>,
    unknown: Option<UnknownName>,
    store_failure: Option<StoreFailureName>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename = "unknown", rename_all = "snake_case")]
enum UnknownName {
    Expire,
    Begin,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename = "store_failure", rename_all = "snake_case")]
enum StoreFailureName {
    Reject,
    Allow,
}

impl PolicyFile {
    fn policy(self) -> Result<Policy, PolicyError> {
        let mut policy = Policy::builder();
        if let Some(idle) = self.idle {
            policy = policy.with_idle(idle);
        }
        if let Some(absolute) = self.absolute {
            policy = policy.with_absolute(absolute);
        }
        if let Some(touch_every) = self.touch_every {
            policy = policy.with_touch_every(touch_every);
        }
        if self.never_early {
            policy = policy.never_early();
        }
        if let Some(rotation_overlap) = self.rotation_overlap {
            policy = policy.with_rotation_overlap(rotation_overlap);
        }
        if let Some(remember) = self.remember_expired_for {
            policy = policy.with_remember_expired_for(remember);
        }
        if let Some(store_timeout) = self.store_timeout {
            policy = policy.with_store_timeout(store_timeout);
        }
        if let Some(UnknownName::Begin) = self.unknown {
            policy = policy.begin_unknown();
        }
        if let Some(store_failure) = self.store_failure {
            policy = policy.with_store_failure(match store_failure {
                StoreFailureName::Reject => StoreFailure::Reject,
                StoreFailureName::Allow => StoreFailure::Allow,
            });
        }
        policy.build()
    }
}
