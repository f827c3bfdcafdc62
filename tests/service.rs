//! Tests of the layer around a service, without a network.

mod common;

mod service {
    mod attacks;
    #[cfg(feature = "axum")]
    mod axum;
    #[cfg(feature = "browser")]
    mod browser;
    mod contract;
    mod deadlines;
    mod ended;
    mod handle;
    mod login;
    #[cfg(feature = "axum")]
    mod nest;
    mod observe;
    mod races;
    mod response;
    mod rotation_races;
    mod settings;
    mod store_failure;
    mod streams;
    #[cfg(feature = "cached")]
    mod streams_elsewhere;
    mod user_races;
    mod users;
    mod visitors;
}
