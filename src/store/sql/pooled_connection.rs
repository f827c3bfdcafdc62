//! A connection of the pool while an operation uses it.
//!
//! Three layers surround a connection of sqlx. The innermost is sqlx's own `PoolConnection`. When
//! it is dropped, it goes back to the pool, even if a statement was interrupted and its answer is
//! still to come. The next user would read that answer first. So the second layer,
//! [`PooledConnection`], records for each statement whether it ended, and what its error means. A
//! statement that the server refused, or ended because of a lock, leaves the connection as it was.
//! A statement that did not end, or ended with an error of the connection, costs this connection.
//! The third layer is [`run`](super::run::run). It moves the work to a task of its own, so that
//! dropping the future of a request interrupts no statement. It answers in time whatever the
//! database does. A statement that is late then still holds its connection and its place in the
//! pool until the server has ended it. If the place were free at once, the pool would open another
//! connection while the server still works for the old one. With a locked table, that would be one
//! more for each request, until the server accepts no more.

use sqlx::SqlStr;
use sqlx::pool::PoolConnection;
use tokio::runtime::Handle;
use tokio::time::{Duration, Instant, sleep};

use super::call::Call;
use super::dialect::Dialect;
use super::error::{Consequence, SqlError};
use super::log_row::LogRow;
use super::pool::ConnectionPool;
use super::row::Row;
use super::settings::{Protocol, statement_timeout};
use super::users::link_row::LinkRow;
use super::value::Value;
use crate::store::random::jittered;

/// How often a statement is repeated that conflicted with another transaction.
const REPETITIONS: u32 = 3;

/// The longest pause before the first repetition. It doubles with each.
const PAUSE: Duration = Duration::from_millis(10);

/// The time that an operation has.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeLimit {
    pub(super) limit: Duration,
    pub(super) deadline: Instant,
    /// Whether a request waits for the operation.
    pub(super) kind: OperationKind,
}

/// For what an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OperationKind {
    /// A request waits for it.
    Request,
    /// No request waits for it: a batch, a sweep or a migration.
    Background,
}

/// A connection that belongs to a pool.
///
/// When it is dropped, it goes back to the pool, or is closed if it cannot be used again.
pub(super) struct PooledConnection<DB: Dialect> {
    connection: Option<PoolConnection<DB>>,
    pool: ConnectionPool<DB>,
    time: TimeLimit,
    condition: Condition,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Sound,
    /// A statement has begun and has not ended, or the connection is lost.
    Lost,
    /// The server does not accept writes any more, on any connection.
    ServerIsReadOnly,
}

/// Runs a statement in a way of the database, and again where it conflicted with another
/// transaction.
///
/// It is no function: the future of a closure that borrows the connection could not be sent to
/// another thread.
macro_rules! repeated {
    ($connection:expr, $run:path, $statement:expr, $values:expr) => {{
        let call = $connection.call($statement, $values);
        let mut repetitions = 0;
        loop {
            let result = $run($connection.begin()?, &call).await;
            if !$connection.repeats(&result, &mut repetitions).await {
                return Ok(result?);
            }
        }
    }};
}

impl<DB: Dialect> PooledConnection<DB> {
    pub(super) async fn acquire(
        pool: &ConnectionPool<DB>,
        time: TimeLimit,
    ) -> Result<Self, SqlError> {
        Ok(Self {
            connection: Some(pool.take().await?),
            pool: pool.clone(),
            time,
            condition: Condition::Sound,
        })
    }

    /// Returns a connection of another pool, for the rest of the operation. Gives this one back
    /// first.
    pub(super) async fn exchange(self, pool: &ConnectionPool<DB>) -> Result<Self, SqlError> {
        let time = self.time;
        drop(self);
        Self::acquire(pool, time).await
    }

    /// Runs a statement that reads rows.
    pub(super) async fn fetch(
        &mut self,
        statement: &SqlStr,
        values: &[Value],
    ) -> Result<Vec<Row>, SqlError> {
        repeated!(self, DB::fetch, statement, values)
    }

    /// Runs the statement that reads the log of changes.
    pub(super) async fn log(
        &mut self,
        statement: &SqlStr,
        values: &[Value],
    ) -> Result<Vec<LogRow>, SqlError> {
        repeated!(self, DB::log, statement, values)
    }

    /// Runs a statement that reads links of sessions to users.
    pub(super) async fn links(
        &mut self,
        statement: &SqlStr,
        values: &[Value],
    ) -> Result<Vec<LinkRow>, SqlError> {
        repeated!(self, DB::links, statement, values)
    }

    /// Runs a statement that returns one number, or nothing.
    pub(super) async fn number(
        &mut self,
        statement: &SqlStr,
        values: &[Value],
    ) -> Result<Option<i64>, SqlError> {
        repeated!(self, DB::number, statement, values)
    }

    /// Runs a statement that writes. Returns the number of rows that matched.
    pub(super) async fn execute(
        &mut self,
        statement: &SqlStr,
        values: &[Value],
    ) -> Result<u64, SqlError> {
        repeated!(self, DB::execute, statement, values)
    }

    /// Runs a statement that writes. Returns after the write survives a power cut.
    pub(super) async fn execute_durably(
        &mut self,
        statement: &SqlStr,
        values: &[Value],
    ) -> Result<u64, SqlError> {
        repeated!(self, DB::execute_durably, statement, values)
    }

    /// Runs a script that creates tables.
    pub(super) async fn run_script(&mut self, script: &SqlStr) -> Result<(), SqlError> {
        let call = DB::text_call(statement_timeout(self.time.limit), script, &[]);
        let result = DB::execute(self.begin()?, &call).await;
        self.end(&result);
        result?;
        Ok(())
    }

    /// Chooses how a statement is sent.
    fn call<'a>(&self, statement: &'a SqlStr, values: &'a [Value]) -> Call<'a> {
        match (self.pool.settings().protocol, self.time.kind) {
            (Protocol::Prepared, OperationKind::Request) => Call::prepared(statement, values),
            // The connection is set up for the time limit of a request, so the text carries
            // another.
            (Protocol::Prepared, OperationKind::Background) | (Protocol::Text, _) => {
                DB::text_call(statement_timeout(self.time.limit), statement, values)
            }
        }
    }

    fn begin(&mut self) -> Result<&mut DB::Connection, SqlError> {
        // The caller has been told that the operation failed.
        if Instant::now() >= self.time.deadline {
            return Err(SqlError::timed_out(self.time.limit));
        }
        self.condition = Condition::Lost;
        // The connection is there until `self` is dropped.
        self.connection
            .as_deref_mut()
            .ok_or(SqlError::timed_out(self.time.limit))
    }

    /// Records how a statement ended. Returns whether to repeat it, after a pause.
    async fn repeats<T>(&mut self, result: &Result<T, sqlx::Error>, repetitions: &mut u32) -> bool {
        let conflicts = self.end(result) == Consequence::Repeat;
        if conflicts && *repetitions < REPETITIONS {
            sleep(jittered(PAUSE * 2_u32.pow(*repetitions))).await;
            *repetitions += 1;
            return true;
        }
        false
    }

    /// Records how a statement ended.
    fn end<T>(&mut self, result: &Result<T, sqlx::Error>) -> Consequence {
        let consequence = match result {
            Ok(_) => Consequence::Keep,
            Err(error) => consequence::<DB>(error),
        };
        self.condition = match consequence {
            Consequence::Keep | Consequence::Repeat => Condition::Sound,
            Consequence::Close => Condition::Lost,
            Consequence::CloseAll => Condition::ServerIsReadOnly,
        };
        consequence
    }
}

impl<DB: Dialect> Drop for PooledConnection<DB> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        match (self.condition, Handle::try_current()) {
            (Condition::Sound, Ok(_)) => self.pool.give_back(connection),
            (Condition::Lost, Ok(_)) => {
                self.pool.close(connection);
                self.pool.test_idle().detach();
            }
            (Condition::ServerIsReadOnly, Ok(_)) | (_, Err(_)) => {
                self.pool.close(connection);
                self.pool.close_idle();
            }
        }
    }
}

/// Returns what an error of a statement means for the connection.
fn consequence<DB: Dialect>(error: &sqlx::Error) -> Consequence {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code();
            let code = code.as_deref().unwrap_or_default();
            // SQLSTATE class 08 stands for connection exceptions, 57P for a PostgreSQL that shuts
            // down. 40001 is a conflict with another transaction, and MySQL's deadlock.
            if code.starts_with("08") && code.len() == 5 || code.starts_with("57P") {
                Consequence::Close
            } else if code == "40001" || code == "40P01" {
                Consequence::Repeat
            } else {
                DB::consequence(&**error)
            }
        }
        sqlx::Error::RowNotFound
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_) => Consequence::Keep,
        _ => Consequence::Close,
    }
}
