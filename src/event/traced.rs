//! What is reported, and how loudly?

use crate::head::RequestHead;
use crate::key::SessionKey;
use crate::store::supervised::StoreError;
use crate::verdict::Expired;

/// A session was refused. The query is left out, since it may hold secrets.
pub(crate) fn expired(expired: &Expired, key: Option<SessionKey>, request: RequestHead<'_>) {
    tracing::info!(
        reason = expired.reason().as_str(),
        idle_for = ?expired.idle_for(),
        path = request.uri().path(),
        session = ?key,
        "session expired"
    );
}

/// The store failed.
pub(crate) fn store_failed(error: &StoreError) {
    tracing::error!(
        error = error as &(dyn std::error::Error + 'static),
        "the session activity store failed"
    );
}
