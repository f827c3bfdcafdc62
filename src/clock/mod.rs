//! Clocks: the system's, and one that tests move by hand.

pub(crate) mod manual;
pub(crate) mod port;
pub(crate) mod sleep;
pub(crate) mod system;
