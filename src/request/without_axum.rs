//! The target of a request before any router shortened it, without the feature `axum`: unknown.

use http::{Extensions, Uri};

/// Returns nothing: other routers note no original target.
pub(super) fn original_uri(_: &Extensions) -> Option<&Uri> {
    None
}
