//! The reason phrase of a response, without the feature `hyper`: not written.

use bytes::Bytes;
use http::Response;

/// Does nothing: `http` has no place for a reason phrase.
pub(super) fn set_phrase(_: &mut Response<Bytes>, _: &str) {}
