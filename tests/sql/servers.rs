//! The databases of `common`, at the place where the benchmark of the stores looks for them.

#[path = "../common/databases.rs"]
mod starts;

use crate::servers::servers;
pub use starts::{mariadb_url, postgresql_url, start_mariadb, start_postgresql};
