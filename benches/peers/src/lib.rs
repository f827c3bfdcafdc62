//! What does the layer cost, beside what people would use instead?
//!
//! `scripts/bench-peers` runs everything. Each room measures one thing:
//!
//! ```text
//! contenders     who takes part, and as what?
//! stand          how is any of them run?
//! request        what does a request look like when a server hands it over?
//! in_process     what does a request cost?
//! allocations    how often does a request allocate, and how much heap does a session take?   [bin/count]
//! memory         how much memory does a session take?
//! stall          how long may a request stall while sessions expire?
//! loopback       how many requests a second does a whole server answer?
//! redis          … and with Redis behind?
//! build_cost     what does it cost to build?
//! figures        what was measured?
//! report         what does the reader see?
//! charts         … and at a glance?
//! ```
#![warn(unreachable_pub)]

pub mod build_cost;
pub mod charts;
pub mod contenders;
pub mod effort;
pub mod figures;
pub mod in_process;
pub mod jar;
pub mod loopback;
pub mod machine;
pub mod memory;
pub mod programs;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(not(feature = "redis"))]
#[path = "redis/absent.rs"]
pub mod redis;
pub mod report;
pub mod request;
pub mod stall;
pub mod stand;

/// Whatever went wrong, in words for the one who runs this.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
