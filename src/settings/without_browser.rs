//! The error of the field `browser` without the feature `browser`.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::middleware::layer::LoginTimeoutLayer;
use crate::store::activity_store::ActivityStore;

/// Has no value, since reading one fails.
#[derive(Clone, Debug)]
pub(super) enum Browser {}

impl Browser {
    pub(super) fn added_to<St>(&self, _: LoginTimeoutLayer<St>) -> LoginTimeoutLayer<St>
    where
        St: ActivityStore,
    {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for Browser {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "`browser` is not compiled in: add the feature `browser` of tower-login-timeout, or \
             leave the field out",
        ))
    }
}
