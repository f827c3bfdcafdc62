//! Measures the layer beside what people would use instead.
//!
//! `scripts/bench-peers` runs everything. `--only` takes the names of the measurements:
//!
//! ```text
//! in_process     a request inside the process
//! memory         the memory of a session
//! stall          the longest requests while sessions expire
//! loopback       a whole server
//! redis          a whole server with Redis behind it
//! build_cost     the build of a small application
//! ```
#![warn(unreachable_pub)]

pub mod build_cost;
pub mod charts;
pub mod contenders;
pub mod effort;
pub mod figures;
pub mod harness;
pub mod in_process;
pub mod jar;
pub mod loopback;
pub mod machine;
pub mod memory;
pub mod processes;
pub mod redis;
pub mod report;
pub mod request;
pub mod rng;
pub mod stall;

/// Whatever went wrong, in words for the one who runs this.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
