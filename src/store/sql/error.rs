//! What can go wrong with a database?

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The database could not answer, or answered what cannot be.
///
/// The driver's own error is the [`source`](Error::source). Neither shows the URL or the password.
#[derive(Debug)]
pub struct SqlError(Problem);

#[derive(Debug)]
enum Problem {
    Failed(sqlx::Error),
    TimedOut(Duration),
    Malformed(&'static str),
    Refused(&'static str),
}

impl SqlError {
    pub(super) const fn timed_out(limit: Duration) -> Self {
        Self(Problem::TimedOut(limit))
    }

    pub(super) const fn malformed(what: &'static str) -> Self {
        Self(Problem::Malformed(what))
    }

    pub(super) const fn is_malformed(&self) -> bool {
        matches!(self.0, Problem::Malformed(_))
    }

    /// An error that is said in full: what is wrong, and what to do.
    pub(super) const fn refused(why: &'static str) -> Self {
        Self(Problem::Refused(why))
    }
}

/// Whether a connection is of no use after this error, and others that were opened before are suspect.
pub(super) fn loses_the_connection(error: &sqlx::Error) -> bool {
    match error {
        // PostgreSQL's class 57P: shut down or about to. Class 08 of the SQL standard: connection exceptions.
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code.starts_with("08")),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Encode(_) | sqlx::Error::Decode(_) => false,
        _ => true,
    }
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        Self(Problem::Failed(error))
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Problem::Failed(error) if is_about_the_table(error) => f.write_str(
                "the table of sessions is missing or of another shape: call `migrate()` when the program starts",
            ),
            Problem::Failed(sqlx::Error::PoolTimedOut) => f.write_str(
                "no connection to the database was free or could be made in time: check that it runs and that the \
                 URL leads to it",
            ),
            Problem::Failed(sqlx::Error::Configuration(_)) => f.write_str(
                "the database URL cannot be read: see the documentation of the `connect` that was called",
            ),
            Problem::Failed(_) => f.write_str("the database failed"),
            Problem::TimedOut(limit) => write!(
                f,
                "the database did not answer within {limit:?}: check that it runs and is not overloaded"
            ),
            Problem::Malformed(what) => write!(
                f,
                "a session's row in the database is malformed ({what}): remove it, and let nothing else write there"
            ),
            Problem::Refused(why) => f.write_str(why),
        }
    }
}

impl Error for SqlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Problem::Failed(error) => Some(error),
            _ => None,
        }
    }
}

/// The codes with which PostgreSQL, MySQL and SQLite miss a table or a column.
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
