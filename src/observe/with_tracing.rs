//! Events that are reported through `tracing`.

use std::error::Error;
use std::fmt;

use crate::request::head::RequestHead;
use crate::session::key::SessionKey;
use crate::session::verdict::Expired;
use crate::store::error::StoreError;

/// Reports that a session was refused.
///
/// The path is the one that the client asked for. The query is left out, since it may hold secrets.
pub(crate) fn expired(expired: &Expired, key: Option<SessionKey>, request: RequestHead<'_>) {
    tracing::info!(
        reason = expired.reason().as_str(),
        idle_for = ?expired.idle_for(),
        path = request.original_uri().path(),
        session = ?key,
        "session expired"
    );
}

/// Reports that the store failed.
pub(crate) fn store_failed(error: &StoreError) {
    tracing::error!(error = %Chain(error), "session not checked or not recorded");
}

/// Shows an error with its sources.
///
/// Most subscribers show the first error alone, and the first says only that the store failed.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.source() {
            Some(source) => write!(f, ": {}", Chain(source)),
            None => Ok(()),
        }
    }
}
