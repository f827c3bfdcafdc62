//! Responses that the layer gives in place of the wrapped service's.

mod accept;
pub(crate) mod format;
pub(crate) mod grpc;
mod login_page;
mod message;
pub(crate) mod phrase;
pub(crate) mod response;
pub(crate) mod response_for_expired;
pub(crate) mod response_for_unavailable;
pub(crate) mod unavailable;
#[cfg(feature = "hyper")]
mod with_hyper;
#[cfg(not(feature = "hyper"))]
mod without_hyper;
