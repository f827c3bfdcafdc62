//! The target of a request before axum's routers shortened it.

use axum::extract::OriginalUri;
use http::{Extensions, Uri};

/// Returns what the outermost axum `Router` notes in each request.
///
/// Extensions are found by their type, so this needs the type that axum inserts.
pub(super) fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get().map(|OriginalUri(uri)| uri)
}
