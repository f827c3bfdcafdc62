//! Tests of the store that is named by a text, such as `redis://host` or `memory:`.
#![cfg(feature = "cached")]

mod common;

mod any {
    mod names;
    #[cfg(all(
        feature = "redis",
        feature = "sqlite",
        feature = "postgres",
        feature = "mysql",
        feature = "conformance"
    ))]
    mod servers;
}
