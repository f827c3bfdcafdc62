//! The session id in a cookie.

mod attributes;
mod characters;
pub(crate) mod cookie_id;
mod ids;
mod name;
#[cfg(feature = "private")]
mod private;
mod reading;
pub(crate) mod removal;
mod rewrite;
mod seal;
#[cfg(feature = "signed")]
mod signed;
#[cfg(test)]
mod tests;
mod value;
