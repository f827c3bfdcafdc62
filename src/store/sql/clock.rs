//! What time is it in the database?

use sqlx::{Executor, FromRow, IntoArguments};

use super::dialect::SqlDatabase;
use super::error::SqlError;
use super::lease::{OPERATION, run};
use crate::session::time::Timestamp;
use crate::store::sql::sql_store::SqlStore;
use crate::store::store_clock::StoreClock;

/// A clock that follows the time that this statement answers, in milliseconds since 1970.
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
        run(OPERATION, &pool, move |mut lease| async move {
            let millis = lease.number(statement).await?;
            // A database before 1970 is at the epoch, as a machine would be.
            Ok(Timestamp::from_unix_millis(
                u64::try_from(millis).unwrap_or(0),
            ))
        })
    };
    StoreClock::follow(now).await
}
