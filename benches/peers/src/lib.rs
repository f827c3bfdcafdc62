//! Benchmarks of the layer beside other crates.
//!
//! `scripts/bench-peers` runs all of them. `--only` takes their names:
//!
//! ```text
//! in_process     the time of a request inside the process
//! in_axum        the time and the allocations of a request through an axum Router
//! memory         the memory of a session, and the allocations of a request
//! stall          the longest requests while sessions expire
//! loopback       the requests per second of a whole server
//! redis          the same with Redis behind the server
//! pace           the store operations of a request at the pace of people, in virtual time
//! build_cost     the cost to the build of a small application
//! ```
#![warn(unreachable_pub)]

pub mod build_cost;
pub mod charts;
pub mod contenders;
pub mod effort;
pub mod figures;
pub mod harness;
pub mod in_axum;
pub mod in_process;
pub mod jar;
pub mod loopback;
pub mod machine;
pub mod memory;
pub mod pace;
pub mod processes;
pub mod redis;
pub mod report;
pub mod request;
pub mod rng;
pub mod stall;

/// Any error.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
