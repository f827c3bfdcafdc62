//! A clock that follows the time of the database.

use std::sync::Arc;

use super::dialect::SqlDatabase;
use super::error::SqlError;
use super::run::run;
use super::sql_store::SqlStore;
use crate::session::time::Timestamp;
use crate::store::store_clock::StoreClock;

const NO_TIME: &str = "the database did not return its time";

/// Creates a clock that follows the database of a store.
pub(super) async fn follow<DB: SqlDatabase>(store: &SqlStore<DB>) -> Result<StoreClock, SqlError> {
    let inner = Arc::clone(&store.0);
    let now = move || {
        let asked = Arc::clone(&inner);
        run(&inner.pool, move |mut connection| async move {
            let millis = connection.number(&asked.statements.now, &[]).await?;
            let millis = millis.ok_or(SqlError::refused(NO_TIME))?;
            // A time before 1970 counts as 1970.
            Ok(Timestamp::from_unix_millis(
                u64::try_from(millis).unwrap_or(0),
            ))
        })
    };
    StoreClock::follow_with(now, store.0.pool.settings().observers.clone()).await
}
