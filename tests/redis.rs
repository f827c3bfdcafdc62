//! Tests of the Redis store against real servers: one server, Sentinel and Cluster.

mod common;

mod redis {
    #[cfg(feature = "cached")]
    mod clock_skew;
    #[cfg(feature = "conformance")]
    mod contract;
    mod faults;
    #[cfg(feature = "redis-tls")]
    mod tls;
    mod together;
}
