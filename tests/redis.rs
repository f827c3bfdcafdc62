//! Tests of the Redis store against real servers: one server, Sentinel and Cluster.

mod common;

mod redis {
    mod change_log;
    mod change_log_faults;
    #[cfg(feature = "tracing")]
    mod change_log_report;
    #[cfg(feature = "cached")]
    mod clock_skew;
    mod clock_step;
    mod cluster;
    mod cluster_settings;
    #[cfg(feature = "redis-tls")]
    mod connect;
    #[cfg(feature = "conformance")]
    mod contract;
    mod events;
    mod faults;
    #[cfg(feature = "conformance")]
    mod operations;
    #[cfg(feature = "redis-tls")]
    mod tls;
    mod together;
    mod users;
}
