//! The task that runs an operation, and its time limit.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::dialect::Dialect;
use super::error::SqlError;
use super::pool::{ConnectionPool, IdleTests};
use super::pooled_connection::{OperationKind, PooledConnection, TimeLimit};

const NO_RUNTIME: &str = "the SQL store was used outside a Tokio runtime: call it within one";
const STOPPED: &str = "the Tokio runtime was shut down before the database answered: keep it until \
                       all requests are answered";

/// The future of an operation.
pub(super) type SqlFuture<T> = Pin<Box<dyn Future<Output = Result<T, SqlError>> + Send>>;

/// Acquires a connection and runs an operation on it for which a request waits.
///
/// Once the operation has a connection, it runs to its end, even if the returned future is dropped.
/// While it waits for a connection, dropping the future cancels it.
pub(super) fn run<DB, T, W>(
    pool: &ConnectionPool<DB>,
    work: impl FnOnce(PooledConnection<DB>) -> W + Send + 'static,
) -> SqlFuture<T>
where
    DB: Dialect,
    T: Send + 'static,
    W: Future<Output = Result<T, SqlError>> + Send + 'static,
{
    let limit = pool.settings().timeout;
    run_within(limit, OperationKind::Request, pool, work)
}

/// Does the same as [`run`] for an operation for which no request waits.
pub(super) fn run_in_background<DB, T, W>(
    pool: &ConnectionPool<DB>,
    work: impl FnOnce(PooledConnection<DB>) -> W + Send + 'static,
) -> SqlFuture<T>
where
    DB: Dialect,
    T: Send + 'static,
    W: Future<Output = Result<T, SqlError>> + Send + 'static,
{
    let limit = pool.settings().background_timeout();
    run_within(limit, OperationKind::Background, pool, work)
}

fn run_within<DB, T, W>(
    limit: Duration,
    kind: OperationKind,
    pool: &ConnectionPool<DB>,
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
        let time = TimeLimit {
            limit,
            deadline,
            kind,
        };
        let connection = timeout_at(deadline, PooledConnection::acquire(&pool, time))
            .await
            .unwrap_or(Err(SqlError::timed_out(limit)))?;
        let work = work(connection);
        let (answer, answered) = oneshot::channel();
        runtime.spawn(async move {
            let mut work = pin!(work);
            let (result, late) = match timeout_at(deadline, &mut work).await {
                Ok(result) => (result, None),
                Err(_) => (Err(SqlError::timed_out(limit)), Some(pool.test_idle())),
            };
            let _ = answer.send(result);
            if let Some(tests) = late {
                wait_for_server(limit, tests, work).await;
            }
        });
        answered.await.unwrap_or(Err(SqlError::refused(STOPPED)))
    })
}

/// Waits until the server has ended a late statement, while it keeps its connection.
///
/// Gives up if the server is gone. Otherwise, the time limits that the server knows end the
/// statement: it began before the deadline, so it ends within one more limit. After two, the
/// connection is lost.
async fn wait_for_server(limit: Duration, tests: IdleTests, mut work: Pin<&mut impl Future>) {
    let server_is_gone = async {
        if !tests.none_answered().await {
            std::future::pending::<()>().await;
        }
    };
    let mut server_is_gone = pin!(server_is_gone);
    let either = poll_fn(|context| {
        let ended = work.as_mut().poll(context).is_ready();
        match ended || server_is_gone.as_mut().poll(context).is_ready() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    });
    let _ = timeout(limit * 2, either).await;
}
