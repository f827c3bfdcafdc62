//! What if nothing writes a reason phrase?

use bytes::Bytes;
use http::Response;

/// There is no way to tell a server the phrase.
pub(super) fn write(_: &mut Response<Bytes>, _: &str) {}
