//! Helpers that several test binaries share.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of the helpers"
)]

#[cfg(unix)]
pub mod databases;
pub mod example;
pub mod http1;
#[cfg(unix)]
pub mod redis;
pub mod scripted;
#[cfg(unix)]
pub mod servers;
pub mod site;
pub mod website;
