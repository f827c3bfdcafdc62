//! A connection of the pool while an operation uses it, and the time that the operation has.
//!
//! Three layers surround a connection of sqlx. The innermost is sqlx's own `PoolConnection`: when
//! it is dropped, it goes back to the pool, even if a statement was interrupted and its answer is
//! still to come. The next user would read that answer first. So the second layer,
//! [`PooledConnection`], records for each statement whether it ended. If one did not, or ended with
//! an error of the connection, the connection is closed and does not go back. The third layer is
//! [`run`]: it moves the work to a task of its own, so that dropping the future of a request
//! interrupts no statement, and it bounds the time of the whole operation, of which waiting for a
//! connection is one part. A cancelled request therefore costs no connection: its statement ends,
//! and its connection goes back to the pool.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Connection, Pool, SqlStr};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

use super::dialect::Dialect;
use super::error::{SqlError, loses_the_connection};
use super::row::Row;
use super::value::Value;

/// The time limit of an operation for which a request waits. The layer has the same limit by
/// default.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(1);

/// The time limit of an operation for which no request waits: a batch, a sweep or a migration.
pub(super) const BACKGROUND_LIMIT: Duration = Duration::from_secs(10);

/// The time limit to get a connection, including to open a new one. The default of sqlx is 30 s.
const ACQUIRE: Duration = Duration::from_millis(500);

/// A connection that was idle for longer is tested before it is used. A busy pool has no such
/// connection. After a restart of the server, every connection that was not in use is one.
const SUSPECT_AFTER: Duration = Duration::from_millis(50);

const NO_RUNTIME: &str = "the SQL store was used outside a Tokio runtime: call it within one";
const STOPPED: &str = "the Tokio runtime was shut down before the database answered: keep it until all requests are \
                       answered";

/// The future of an operation.
pub(super) type SqlFuture<T> = Pin<Box<dyn Future<Output = Result<T, SqlError>> + Send>>;

/// Acquires a connection and runs an operation on it, within the time limit.
///
/// Once the operation has a connection, it runs to its end or its limit, even if the returned
/// future is dropped. While it waits for a connection, dropping the future cancels it.
pub(super) fn run<DB, T, W>(
    limit: Duration,
    pool: &Pool<DB>,
    work: impl FnOnce(PooledConnection<DB>) -> W + Send + 'static,
) -> SqlFuture<T>
where
    DB: Dialect,
    T: Send + 'static,
    W: Future<Output = Result<T, SqlError>> + Send + 'static,
{
    let pool = pool.clone();
    Box::pin(async move {
        let runtime = Handle::try_current().map_err(|_| SqlError::refused(NO_RUNTIME))?;
        let deadline = Instant::now() + limit;
        let connection = timeout_at(deadline, PooledConnection::acquire(&pool))
            .await
            .unwrap_or(Err(SqlError::timed_out(limit)))?;
        let work = timeout_at(deadline, work(connection));
        runtime
            .spawn(async move { work.await.unwrap_or(Err(SqlError::timed_out(limit))) })
            .await
            .unwrap_or(Err(SqlError::refused(STOPPED)))
    })
}

/// Returns the options of a pool that the store opens itself.
pub(super) fn pool_options<DB: sqlx::Database>() -> PoolOptions<DB> {
    PoolOptions::new()
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut DB::Connection, before| {
            Box::pin(async move {
                if before.idle_for > SUSPECT_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// A connection that belongs to the pool.
///
/// When it is dropped, it goes back to the pool. If a statement was interrupted or the connection
/// is lost, it is closed instead, and so are the idle connections of the pool.
pub(super) struct PooledConnection<DB: Dialect> {
    connection: Option<PoolConnection<DB>>,
    pool: Pool<DB>,
    condition: Condition,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Sound,
    /// A statement has begun and has not ended, or the connection is lost.
    Doubtful,
}

impl<DB: Dialect> PooledConnection<DB> {
    pub(super) async fn acquire(pool: &Pool<DB>) -> Result<Self, SqlError> {
        let acquired = timeout(ACQUIRE, pool.acquire()).await;
        match acquired.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(connection) => Ok(Self {
                connection: Some(connection),
                pool: pool.clone(),
                condition: Condition::Sound,
            }),
            Err(error) => {
                close_idle(pool);
                Err(error.into())
            }
        }
    }

    pub(super) async fn fetch(
        &mut self,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, SqlError> {
        let connection = self.begin()?;
        let result = DB::fetch(connection, statement, values).await;
        self.end(result)
    }

    pub(super) async fn execute(
        &mut self,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<u64, SqlError> {
        let connection = self.begin()?;
        let result = DB::execute(connection, statement, values).await;
        self.end(result)
    }

    /// Runs a statement that writes. Returns after the write survives a power cut.
    pub(super) async fn execute_durably(
        &mut self,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<u64, SqlError> {
        let connection = self.begin()?;
        let result = DB::execute_durably(connection, statement, values).await;
        self.end(result)
    }

    pub(super) async fn run_script(&mut self, script: SqlStr) -> Result<(), SqlError> {
        let connection = self.begin()?;
        let result = DB::run_script(connection, script).await;
        self.end(result)
    }

    /// Runs a statement that returns one number.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) async fn number(&mut self, statement: &'static str) -> Result<i64, SqlError>
    where
        for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
        for<'r> (i64,): sqlx::FromRow<'r, DB::Row>,
        DB::Arguments: sqlx::IntoArguments<DB>,
    {
        let connection = self.begin()?;
        let result = sqlx::query_scalar(statement).fetch_one(connection).await;
        self.end(result)
    }

    fn begin(&mut self) -> Result<&mut DB::Connection, SqlError> {
        self.condition = Condition::Doubtful;
        // The connection is there until `self` is dropped.
        self.connection
            .as_deref_mut()
            .ok_or(SqlError::refused(STOPPED))
    }

    fn end<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, SqlError> {
        let lost = result.as_ref().err().is_some_and(loses_the_connection);
        if !lost {
            self.condition = Condition::Sound;
        }
        Ok(result?)
    }
}

impl<DB: Dialect> Drop for PooledConnection<DB> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        match (self.condition, Handle::try_current()) {
            (Condition::Sound, Ok(runtime)) => {
                // The pool tests a connection that comes back. Without a limit, it would wait for
                // as long as TCP does.
                runtime.spawn(timeout(REQUEST_LIMIT, connection.return_to_pool()));
            }
            _ => {
                drop(connection.detach());
                close_idle(&self.pool);
            }
        }
    }
}

/// Closes the idle connections: if the server is gone, each of them would fail a request.
fn close_idle<DB: Dialect>(pool: &Pool<DB>) {
    while let Some(idle) = pool.try_acquire() {
        drop(idle.detach());
    }
}
