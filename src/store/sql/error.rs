//! The error of the SQL stores.

use std::error::Error;
use std::fmt;
use std::time::Duration;

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
}

impl SqlError {
    pub(super) const fn timed_out(limit: Duration) -> Self {
        Self(ErrorKind::TimedOut(limit))
    }

    pub(super) const fn malformed(what: &'static str) -> Self {
        Self(ErrorKind::Malformed(what))
    }

    pub(super) const fn is_malformed(&self) -> bool {
        matches!(self.0, ErrorKind::Malformed(_))
    }

    /// Creates an error from its full text: what is wrong, and what to do.
    pub(super) const fn refused(why: &'static str) -> Self {
        Self(ErrorKind::Refused(why))
    }
}

/// Returns whether the connection is lost after this error. Then other connections may be lost too.
pub(super) fn loses_the_connection(error: &sqlx::Error) -> bool {
    match error {
        // PostgreSQL uses class 57P when it shuts down. Class 08 of the SQL standard stands for
        // connection exceptions.
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code.starts_with("08")),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Encode(_) | sqlx::Error::Decode(_) => false,
        _ => true,
    }
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
            ErrorKind::Failed(sqlx::Error::PoolTimedOut) => f.write_str(
                "no connection to the database was free or could be opened in time: check that the \
                 database runs and that the URL is right",
            ),
            ErrorKind::Failed(sqlx::Error::Configuration(_)) => {
                f.write_str("the database URL is not valid: see the documentation of `connect`")
            }
            ErrorKind::Failed(_) => f.write_str("the database failed"),
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

/// Returns whether a table or a column is missing. PostgreSQL and MySQL report that by code, SQLite
/// by text.
fn is_about_the_table(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return false;
    };
    let sqlite = ["no such table", "no such column", "has no column named"];
    error
        .code()
        .is_some_and(|code| ["42P01", "42703", "42S02", "42S22"].contains(&&*code))
        || sqlite.iter().any(|text| error.message().contains(text))
}
