//! The page's half: the status endpoint, and the module that warns before a session ends.

pub(crate) mod assets;
pub(crate) mod endpoint;
pub(crate) mod same_origin;
pub(crate) mod status;
