//! What is reported, and how loudly?

use std::error::Error;
use std::fmt;

use crate::request::head::RequestHead;
use crate::session::key::SessionKey;
use crate::session::verdict::Expired;
use crate::store::error::StoreError;

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
    tracing::error!(error = %Chain(error), "session not checked or not recorded");
}

/// An error with what caused it, since a subscriber may show no more than the first.
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
