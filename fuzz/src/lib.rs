//! The fuzz targets as plain functions: each takes bytes, and panics if something does not hold.

pub mod accept;
pub mod identify;
mod now;
#[path = "../../tests/cookie/readers.rs"]
mod readers;
pub mod return_url;
pub mod set_cookie;
mod site;
