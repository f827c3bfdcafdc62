//! How is a connection borrowed, and for how long?

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Connection, Pool, SqlStr};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

use super::dialect::{Dialect, Value};
use super::error::{SqlError, loses_the_connection};
use super::row::Row;

/// How long one operation may take in all. The layer waits no longer by default.
pub(super) const OPERATION: Duration = Duration::from_secs(1);

/// How long a batch, a removal or the creation of the table may take. No request waits for one.
pub(super) const CHORE: Duration = Duration::from_secs(10);

/// How long to wait for a connection, a new one included. sqlx waits 30 s.
const ACQUIRE: Duration = Duration::from_millis(500);

/// A connection that was idle for longer is asked whether it is there before it is used. In a busy pool that is none;
/// after a restart of the server, which takes longer than this, all that were not in use.
const SUSPECT_AFTER: Duration = Duration::from_millis(50);

const NO_RUNTIME: &str = "a database can only be asked within a Tokio runtime";
const STOPPED: &str = "the Tokio runtime was shut down before the database answered";

/// What every operation returns.
pub(super) type SqlFuture<T> = Pin<Box<dyn Future<Output = Result<T, SqlError>> + Send>>;

/// Borrows a connection, and does some work with it in all of the time that is allowed.
///
/// Work that has begun runs to its end, or its limit, also if nobody waits for it any more: a request that is dropped
/// interrupts no statement. While it waits for a connection, it just leaves the queue.
pub(super) fn run<DB, T, W>(
    limit: Duration,
    pool: &Pool<DB>,
    work: impl FnOnce(Lease<DB>) -> W + Send + 'static,
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
        let lease = timeout_at(deadline, Lease::from(&pool))
            .await
            .unwrap_or(Err(SqlError::timed_out(limit)))?;
        let work = timeout_at(deadline, work(lease));
        runtime
            .spawn(async move { work.await.unwrap_or(Err(SqlError::timed_out(limit))) })
            .await
            .unwrap_or(Err(SqlError::refused(STOPPED)))
    })
}

/// How pools are set up that are not given to us.
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

/// A connection on loan.
///
/// It goes back to the pool unless a statement was interrupted or the connection is lost. Then it is closed at once, and
/// so are those that lie idle.
pub(super) struct Lease<DB: Dialect> {
    connection: Option<PoolConnection<DB>>,
    pool: Pool<DB>,
    condition: Condition,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Sound,
    /// A statement has begun and not ended, or ended with the connection.
    Doubtful,
}

impl<DB: Dialect> Lease<DB> {
    pub(super) async fn from(pool: &Pool<DB>) -> Result<Self, SqlError> {
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

    /// The same, for what must outlive a power cut from the moment that it is answered.
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

    /// The one number that a statement answers.
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
        // It is there until this is dropped.
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

impl<DB: Dialect> Drop for Lease<DB> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        match (self.condition, Handle::try_current()) {
            (Condition::Sound, Ok(runtime)) => {
                // The pool asks a connection that comes back whether it is there, and would wait for as long as TCP
                // does.
                runtime.spawn(timeout(OPERATION, connection.return_to_pool()));
            }
            _ => {
                drop(connection.detach());
                close_idle(&self.pool);
            }
        }
    }
}

/// The server that they lead to may be gone, and each would cost a request its answer.
fn close_idle<DB: Dialect>(pool: &Pool<DB>) {
    while let Some(idle) = pool.try_acquire() {
        drop(idle.detach());
    }
}
