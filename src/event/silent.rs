//! What if nobody listens?

use crate::head::RequestHead;
use crate::key::SessionKey;
use crate::store::supervised::StoreError;
use crate::verdict::Expired;

pub(crate) fn expired(_: &Expired, _: Option<SessionKey>, _: RequestHead<'_>) {}

pub(crate) fn store_failed(_: &StoreError) {}
