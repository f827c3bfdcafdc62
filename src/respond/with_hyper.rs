//! How is the reason phrase written?

use bytes::Bytes;
use http::Response;
use hyper::ext::ReasonPhrase;

/// hyper writes the phrase that it finds in the extensions. Any other server ignores it.
pub(super) fn write(response: &mut Response<Bytes>, phrase: &str) {
    if let Ok(phrase) = ReasonPhrase::try_from(phrase.as_bytes()) {
        response.extensions_mut().insert(phrase);
    }
}
