//! The error of the SQL stores.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use sqlx::error::DatabaseError;

/// Reports that the database failed, did not answer in time, or returned a malformed row.
///
/// The error of the driver is the [`source`](Error::source). Neither error shows the URL or the
/// password.
#[derive(Debug)]
pub struct SqlError(ErrorKind);

#[derive(Debug)]
enum ErrorKind {
    Failed(sqlx::Error),
    TimedOut(Duration),
    Malformed(&'static str),
    Refused(&'static str),
    Reconnecting,
}

impl SqlError {
    pub(super) const fn timed_out(limit: Duration) -> Self {
        Self(ErrorKind::TimedOut(limit))
    }

    pub(super) const fn malformed(what: &'static str) -> Self {
        Self(ErrorKind::Malformed(what))
    }

    /// Returns whether a table or a column is missing.
    pub(super) fn is_about_the_table(&self) -> bool {
        matches!(&self.0, ErrorKind::Failed(error) if is_about_the_table(error))
    }

    /// Returns whether the database refused a statement.
    pub(super) fn is_refused_statement(&self) -> bool {
        matches!(&self.0, ErrorKind::Failed(sqlx::Error::Database(_)))
    }

    pub(super) const fn reconnecting() -> Self {
        Self(ErrorKind::Reconnecting)
    }

    /// Creates an error from its full text: what is wrong, and what to do.
    pub(super) const fn refused(why: &'static str) -> Self {
        Self(ErrorKind::Refused(why))
    }
}

/// What an error of a statement means for its connection.
///
/// It is public because a trait that bounds a public type names it. Other crates cannot name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// The connection can be used again.
    Keep,
    /// The statement conflicted with another transaction: repeat it.
    Repeat,
    /// The connection is lost. Others may be lost too.
    Close,
    /// The server accepts no writes any more, because another one has taken over: close all
    /// connections.
    CloseAll,
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        Self(ErrorKind::Failed(error))
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ErrorKind::Failed(error) if is_about_the_table(error) => f.write_str(
                "the table of sessions is missing or has other columns: call `migrate()` when the \
                 program starts",
            ),
            ErrorKind::Failed(error) => f.write_str(cause(error)),
            ErrorKind::TimedOut(limit) => write!(
                f,
                "the database did not answer within {limit:?}: check that it runs and is not \
                 overloaded"
            ),
            ErrorKind::Malformed(what) => write!(
                f,
                "a row of the session table is malformed ({what}): remove it, and make sure that \
                 no other program writes to the table"
            ),
            ErrorKind::Refused(why) => f.write_str(why),
            ErrorKind::Reconnecting => f.write_str(
                "the connection to the database failed shortly before, and the next attempt is \
                 not due yet: see the errors before this one",
            ),
        }
    }
}

impl Error for SqlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            ErrorKind::Failed(error) => Some(error),
            _ => None,
        }
    }
}

/// Returns what is wrong and what to do, for an error of the driver.
fn cause(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::PoolTimedOut => {
            "no connection to the database was free or could be opened in time: check that the \
             database runs and that the URL is right"
        }
        sqlx::Error::Configuration(error) if error.to_string().starts_with("RSA") => {
            "the MySQL user has the authentication plugin `caching_sha2_password`, which needs TLS: \
             build with the feature `sql-tls` and allow TLS on the server, or create the user with \
             another plugin"
        }
        sqlx::Error::Configuration(_) => {
            "the database URL is not valid: see the documentation of `connect`"
        }
        sqlx::Error::Database(error) => refusal(&**error),
        _ => "the database failed: see the source of this error",
    }
}

/// Returns what is wrong and what to do, for a statement that the database refused.
///
/// PostgreSQL says it by code. MySQL has one code for many errors, and SQLite has numbers of its
/// own, so their texts are looked at.
fn refusal(error: &dyn DatabaseError) -> &'static str {
    let says = |texts: [&str; 2]| texts.iter().any(|text| error.message().contains(text));
    match error.code().as_deref() {
        Some("26000" | "42P05") => {
            "the connection to PostgreSQL goes through a pooler that does not keep prepared \
             statements: add `persistent-statements=no` to the URL"
        }
        Some("57014" | "55P03" | "70100") => TOO_SLOW,
        _ if says(["time exceeded", "timeout exceeded"]) => TOO_SLOW,
        Some("25006") => READ_ONLY,
        _ if says(["--read-only", "read only mode"]) => READ_ONLY,
        _ if says(["database is locked", "database table is locked"]) => {
            "another process holds the lock of the SQLite file: look for a long transaction"
        }
        _ => "the database refused a statement: see the source of this error",
    }
}

const TOO_SLOW: &str = "the database did not finish a statement in time: look for a long transaction \
                        that locks the session table";
const READ_ONLY: &str = "the database is read-only: its connections are closed, and the next ones may \
                         lead to the new primary server";

/// Returns whether a table, a column or an index is missing. PostgreSQL and MySQL report that by
/// code, SQLite by text.
fn is_about_the_table(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return false;
    };
    let sqlite = [
        "no such table",
        "no such column",
        "no such index",
        "has no column named",
    ];
    error
        .code()
        .is_some_and(|code| ["42P01", "42703", "42S02", "42S22"].contains(&&*code))
        || sqlite.iter().any(|text| error.message().contains(text))
}
