//! A clock that follows the time of the database.

use sqlx::{Executor, FromRow, IntoArguments};

use super::dialect::SqlDatabase;
use super::error::SqlError;
use super::pooled_connection::{REQUEST_LIMIT, run};
use crate::clock::SystemClock;
use crate::session::time::Timestamp;
use crate::store::sql::sql_store::SqlStore;
use crate::store::store_clock::StoreClock;

/// Creates a clock from a statement that returns the time in milliseconds since 1970.
pub(super) async fn follow<DB: SqlDatabase>(
    store: &SqlStore<DB>,
    statement: &'static str,
) -> Result<StoreClock, SqlError>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> (i64,): FromRow<'r, DB::Row>,
    DB::Arguments: IntoArguments<DB>,
{
    let pool = store.0.pool.clone();
    let now = move || {
        run(REQUEST_LIMIT, &pool, move |mut connection| async move {
            let millis = connection.number(statement).await?;
            // A time before 1970 counts as 1970.
            Ok(Timestamp::from_unix_millis(
                u64::try_from(millis).unwrap_or(0),
            ))
        })
    };
    StoreClock::follow(SystemClock, now).await
}
