//! The read of the log of changes.
//!
//! The log is a column of the table. A statement that changes a record by anything but activity
//! sets `logged_until` to the time of the database plus `Settings::logged_for`. A read returns
//! the rows whose `logged_until` is after the time of the read before it. So each change is read
//! for a few seconds, again and again, and a change that commits late or out of order is read too.
//!
//! # Why no change is missed
//!
//! Take a change that a read does not see. Its commit was not visible when the read began. It took
//! its time before that: by at most the time from there to the end of its commit. An operation that
//! succeeds ends within its time limit, whatever it waits for after it has taken the time: a table
//! lock, a row lock, the disk, or a synchronous replica. (MySQL takes the time when the statement
//! starts. PostgreSQL takes it before it waits for a row lock, and again if the row has changed
//! meanwhile. SQLite takes it with the lock in hand.) A pooler keeps a statement waiting before the
//! server has it. A statement that is repeated after a deadlock takes the time again. So the time
//! that a change took is at most one time limit older than the read that did not see it, and
//! `logged_for` is two limits and what the clock may step unnoticed. The writer adds its own limit,
//! so nodes may have different ones.
//!
//! The time of a read is that from before its snapshot: the start of the transaction in PostgreSQL,
//! the start of the statement in MySQL. SQLite takes both in one call of the library. If the
//! process stands still between the two, the next read notices it as a clock that was set.
//!
//! # What the log does not hold
//!
//! - **An operation that failed** may commit all the same. The server ends its statement within
//!   about one time limit, and the second limit is left for the commit. PostgreSQL and MySQL limit
//!   no commit: one that waits longer for its replica is in no log. Neither is one of MySQL's (not
//!   MariaDB's) that waits for a lock over the pool of an application, where only the server's own
//!   limit applies. A near cache checks each session once a minute for this reason.
//! - **A row that was swept** is in the log no more. Its session had ended by its own limits.
//! - **A row that another program changes** or removes, without regard for this column. That
//!   includes a table that is restored in place while the server runs. Restart the nodes then.
//!
//! [`Position`] says when a read cannot go on from the one before it.

use super::dialect::SqlDatabase;
use super::error::SqlError;
use super::log_position::{Continuity, Position, process_time};
use super::log_row::{self, MAX_CHANGES};
use super::operations::Inner;
use super::pooled_connection::PooledConnection;
use crate::store::change_log::{Changes, LogPosition};

const NO_TIME: &str = "the database did not return its time with the log of changes";

impl<DB: SqlDatabase> Inner<DB> {
    /// Reads the log of changes, with one statement.
    pub(super) async fn changes_since(
        &self,
        mut connection: PooledConnection<DB>,
        position: Option<LogPosition>,
    ) -> Result<Changes, SqlError> {
        let since = position.as_ref().and_then(Position::from_log);
        // Without a position, only the time is read: nothing is logged until 1970.
        let (after, before) = since.map_or((0, 0), Position::window);
        let values = log_row::values(after, before);
        let process = process_time();
        let rows = connection.log(&self.statements.log, &values).await?;
        let answer = rows.first().ok_or(SqlError::refused(NO_TIME))?;
        let now = Position::of(answer, process);
        Ok(match since.map(|since| (since, since.until(now))) {
            Some((_, Continuity::Unbroken)) if rows.len() <= MAX_CHANGES => {
                let keys = rows.iter().filter_map(log_row::LogRow::key);
                Changes::these(keys.collect(), now.to_log())
            }
            Some((since, Continuity::ClockWasSet)) => Changes::any(since.to_log()),
            _ => Changes::any(now.to_log()),
        })
    }
}
