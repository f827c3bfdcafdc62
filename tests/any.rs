//! Tests of the store that is named by a text, such as `redis://host` or `memory:`.
#![cfg(feature = "cached")]

mod common;

mod any {
    #[cfg(all(
        feature = "redis",
        feature = "sqlite",
        feature = "postgres",
        feature = "mysql",
        feature = "conformance"
    ))]
    mod lazy;
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
