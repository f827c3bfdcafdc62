//! The servers of `common`, at the place where the benchmark of the stores looks for them.

#![allow(dead_code, reason = "the benchmark uses a part of the helpers")]

#[path = "../common/servers.rs"]
pub mod processes;
#[path = "../common/redis.rs"]
pub mod redis;

pub use processes as servers;
pub use processes::Folder;
