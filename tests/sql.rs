//! Tests of the SQL stores against real databases: SQLite, PostgreSQL and MariaDB.

#![allow(unreachable_pub, reason = "a program exports nothing")]

mod common;

mod sql {
    mod change_log;
    #[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    mod faults;
    #[cfg(feature = "mysql")]
    mod mysql;
    #[cfg(all(feature = "mysql", feature = "conformance"))]
    mod mysql_operations;
    #[cfg(all(
        feature = "conformance",
        any(feature = "mysql", all(feature = "postgres", feature = "cached"))
    ))]
    mod operations;
    #[cfg(feature = "postgres")]
    mod postgres;
    #[cfg(all(feature = "postgres", feature = "cached", feature = "conformance"))]
    mod postgres_operations;
    #[cfg(feature = "sqlite")]
    mod sqlite;
    mod suite;
}
