//! What identifiers, rules and responses see of a request.

pub(crate) mod head;
pub mod rule;
