//! Events that go nowhere, without the feature `tracing`.

use crate::request::head::RequestHead;
use crate::session::key::SessionKey;
use crate::session::verdict::Expired;
use crate::store::error::StoreError;

pub(crate) fn expired(_: &Expired, _: Option<SessionKey>, _: RequestHead<'_>) {}

pub(crate) fn store_failed(_: &StoreError) {}
