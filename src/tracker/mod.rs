//! The application's handles: the tracker of all sessions, the handle of one, and the future that
//! tells its end.

pub(crate) mod all_sessions;
mod box_future;
pub(crate) mod ended;
pub(crate) mod parts;
pub(crate) mod session_handle;
mod session_ids;
pub(crate) mod session_user;
mod user_links;
mod user_records;
mod user_sessions;
pub(crate) mod users;
