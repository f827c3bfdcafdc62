//! The rules of a session's life: pure code without I/O.

pub(crate) mod activity;
pub(crate) mod canonical;
pub(crate) mod change;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod policy;
pub(crate) mod policy_error;
pub(crate) mod time;
pub(crate) mod touch;
pub(crate) mod user;
pub(crate) mod verdict;
