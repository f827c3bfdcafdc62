//! The reason phrase of a response, for hyper to write.

use bytes::Bytes;
use http::Response;
use hyper::ext::ReasonPhrase;

/// Puts the phrase into the response's extensions, where hyper finds it. Other servers ignore it.
pub(super) fn set_phrase(response: &mut Response<Bytes>, phrase: &str) {
    if let Ok(phrase) = ReasonPhrase::try_from(phrase.as_bytes()) {
        response.extensions_mut().insert(phrase);
    }
}
