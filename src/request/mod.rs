//! What identifiers, rules and responses see of a request.

pub(crate) mod address;
pub(crate) mod head;
pub mod rule;
#[cfg(feature = "axum")]
mod with_axum;
#[cfg(not(feature = "axum"))]
mod without_axum;
