//! Tests with sites in other languages, whose frameworks know nothing of this crate.
//!
//! They need PHP, Node and its packages (`npm ci` in `tests/frameworks`).

mod common;

mod frameworks {
    mod site;
    mod visitors;
}
