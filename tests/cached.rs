//! Tests of the near cache in front of another store.
#![cfg(feature = "cached")]

mod common;

mod cached {
    mod behaviour;
    #[cfg(feature = "conformance")]
    mod contract;
    mod hot_path;
}
