//! The session id in a cookie.

mod attributes;
mod characters;
pub(crate) mod cookie_id;
pub(crate) mod cookie_id_error;
mod ids;
mod name;
mod plain_value;
#[cfg(feature = "private")]
mod private;
mod quoted_value;
mod reading;
pub(crate) mod removal;
mod rewrite;
mod seal;
#[cfg(feature = "signed")]
mod signed;
#[cfg(test)]
mod tests;
mod value;
mod variants;
