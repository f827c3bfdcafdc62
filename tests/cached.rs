//! Tests of the near cache in front of another store.

#![allow(unreachable_pub, reason = "a program exports nothing")]
#![cfg(feature = "cached")]

mod common;

mod cached {
    mod activity;
    mod answers;
    mod background;
    #[cfg(feature = "conformance")]
    mod contract;
    mod crossing;
    mod events;
    mod failures;
    mod flush;
    mod hot_path;
    mod pace;
    mod refusals;
    mod revocations;
    mod world;
}
