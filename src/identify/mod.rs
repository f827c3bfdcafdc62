//! Identifiers: which session a request presents, and which one a response begins or ends.

pub(crate) mod bearer_token;
pub(crate) mod cookie;
pub(crate) mod header_id;
mod header_value;
pub(crate) mod identify_session;
