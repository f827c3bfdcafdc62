//! The session id in a cookie.

pub(crate) mod cookie_id;
mod expiry;
#[cfg(feature = "private")]
mod private;
mod seal;
#[cfg(feature = "signed")]
mod signed;
