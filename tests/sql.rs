//! Tests of the SQL stores against real databases: SQLite, PostgreSQL and MariaDB.

mod common;

mod sql {
    #[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    mod faults;
    #[cfg(feature = "mysql")]
    mod mysql;
    #[cfg(feature = "postgres")]
    mod postgres;
    #[cfg(feature = "sqlite")]
    mod sqlite;
    mod suite;
}
