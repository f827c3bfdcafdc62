//! Responses to requests whose session may not act.

mod accept;
pub(crate) mod format;
mod login_page;
pub(crate) mod response;
pub(crate) mod response_for_expired;
pub(crate) mod unavailable;
#[cfg(feature = "hyper")]
mod with_hyper;
#[cfg(not(feature = "hyper"))]
mod without_hyper;

#[cfg(feature = "hyper")]
use with_hyper as phrase;
#[cfg(not(feature = "hyper"))]
use without_hyper as phrase;
