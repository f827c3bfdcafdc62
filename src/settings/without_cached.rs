//! The error of the field `near_cache` without the feature `cached`.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Has no value, since reading one fails.
#[derive(Clone, Debug)]
pub(super) enum NearCache {}

impl<'de> Deserialize<'de> for NearCache {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "`near_cache` is not compiled in: add the feature `cached` of tower-login-timeout, or \
             leave the field out",
        ))
    }
}
