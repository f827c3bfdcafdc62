//! The contract of a store as a test suite.

mod activity_store;
mod beginning;
#[cfg(feature = "_shared")]
mod change_log;
mod changing;
mod concurrent;
mod dropped;
mod policies;
mod removal;
mod report;
mod revoking;
#[cfg(feature = "_shared")]
mod shared_store;
mod subject;
mod touching;
mod user_times;
mod users;
#[cfg(feature = "_shared")]
mod users_change_log;
mod values;

pub use self::activity_store::check;
#[cfg(feature = "_shared")]
pub use self::change_log::check_change_log;
#[cfg(feature = "_shared")]
pub use self::shared_store::check_shared;
pub use self::users::check_users;
#[cfg(feature = "_shared")]
pub use self::users_change_log::check_users_change_log;
