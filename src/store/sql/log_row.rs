//! The row that a read of the log of changes returns.

use sqlx::{ColumnIndex, Decode, Type};

use super::value::Value;
use crate::session::key::SessionKey;

/// The largest number of changes that one read returns. Where there are more, any session may have
/// changed.
pub(super) const MAX_CHANGES: usize = 10_000;

/// The number of rows that a read asks for. One more than it returns shows that there are more.
pub(super) const READ_ROWS: usize = MAX_CHANGES + 1;

/// A row of the log: one change, or none.
///
/// Each row tells the time of the database and which server answered. So the answer has one row
/// even where nothing has changed.
///
/// It is public because a trait that bounds a public type names it. Other crates cannot name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// The time of the database in milliseconds, from before the log was read.
    pub(super) now: i64,
    /// A number that another server does not have.
    pub(super) server: i64,
    /// The session that has changed.
    pub(super) id: Option<Vec<u8>>,
}

impl LogRow {
    /// Returns the session that has changed. An id of another length than that of a key is the id
    /// of no session.
    pub(super) fn key(&self) -> Option<SessionKey> {
        let id = self.id.as_deref()?.try_into().ok()?;
        Some(SessionKey::from_bytes(id))
    }
}

/// Returns the values of the statement `log`: it reads what is logged until after the first time,
/// and before the second.
pub(super) fn values(after: i64, before: i64) -> [Value; 2] {
    [Value::Number(after), Value::Number(before)]
}

/// Reads a row of the statement `log`.
pub(super) fn log_row<R: sqlx::Row>(row: R) -> Result<LogRow, sqlx::Error>
where
    usize: ColumnIndex<R>,
    for<'r> Option<Vec<u8>>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(LogRow {
        now: row.try_get(0)?,
        server: row.try_get(1)?,
        id: row.try_get(2)?,
    })
}
