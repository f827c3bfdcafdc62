//! What is remembered in a SQL database?

use std::fmt;
use std::sync::Arc;

use sqlx::Pool;

use super::dialect::{SqlDatabase, Value};
use super::error::SqlError;
use super::lease::{CHORE, OPERATION, SqlFuture, run};
use super::operations::Inner;
use super::table::TableName;
use super::{batch, row};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::shared_store::{Revocations, SharedStore};

/// Activity remembered in a SQL database: `SqliteStore`, `PostgresStore` or `MySqlStore`, each with a cargo feature of its
/// own.
///
/// It keeps one table, `session_activity` unless [`with_table`](SqlStore::with_table) says otherwise, with one row of
/// about 60 bytes per session and no index but the key's. [`migrate`](SqlStore::migrate) creates it.
///
/// - A check is one `SELECT`. Nothing is written while the row is fresher than the policy's `touch_every`. When it is
///   due, one `UPDATE` follows, which moves last activity only if the row is still the live session that was read.
/// - Records leave after their time without a background task of yours: operations that bring the time along have the
///   table walked, a page of 1000 rows at a time, at most ten pages a second. No request waits for that.
/// - What a request asks ends within a second, whatever the database does. It runs to its end on a task of its own, so a
///   request that is dropped leaves nothing half done. After a restart of the database it works again at once.
/// - Session ids are never stored, only their [`SessionKey`]s.
///
/// Times come from the clock of the node that asks. Where clocks differ, build the layer with `store.clock()`, which
/// follows the database's.
///
/// Clones share the same connections. Every operation needs a Tokio runtime with its drivers for I/O and time. The cargo
/// features `sqlite`, `postgres` and `mysql` need Rust 1.94, since sqlx 0.9 does.
pub struct SqlStore<DB: SqlDatabase>(pub(super) Arc<Inner<DB>>);

impl<DB: SqlDatabase> SqlStore<DB> {
    pub(super) fn new(pool: Pool<DB>, writer: Option<Pool<DB>>, table: TableName) -> Self {
        Self(Arc::new(Inner::new(pool, writer, table)))
    }

    /// The same database with another table. The default is `session_activity`.
    ///
    /// # Errors
    ///
    /// A name that is not plain: 1 to 48 ASCII letters, digits and underscores that begin with no digit.
    pub fn with_table(self, name: &str) -> Result<Self, SqlError> {
        let Inner { pool, writer, .. } = &*self.0;
        Ok(Self::new(
            pool.clone(),
            writer.clone(),
            TableName::new(name)?,
        ))
    }

    /// Creates the table, unless it is there. To be called whenever the program starts.
    ///
    /// # Errors
    ///
    /// Those of the database, such as a missing permission.
    pub async fn migrate(&self) -> Result<(), SqlError> {
        let inner = Arc::clone(&self.0);
        run(CHORE, self.0.writers(), move |mut lease| async move {
            lease.run_script(inner.statements.migrate.clone()).await
        })
        .await
    }

    /// Begins an operation that knows the time.
    fn at(&self, now: Timestamp) -> Arc<Inner<DB>> {
        let inner = Arc::clone(&self.0);
        if let Some(as_of) = inner.sweep.due(now) {
            let sweeping = Arc::clone(&inner);
            let sweep = run(CHORE, &inner.pool, move |lease| async move {
                sweeping.sweep(lease, as_of).await
            });
            // What fails is tried again by a later one.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(sweep);
            }
        }
        inner
    }
}

impl<DB: SqlDatabase> ActivityStore for SqlStore<DB> {
    type Error = SqlError;
    type Future<T: Send + 'static> = SqlFuture<T>;

    fn create(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<()> {
        let inner = self.at(activity.last_activity());
        run(OPERATION, self.0.writers(), move |mut lease| async move {
            let (create, values) = (
                &inner.statements.create,
                row::values(key, &activity, keep_until),
            );
            lease.execute_durably(create, values).await?;
            Ok(())
        })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<Activity> {
        let inner = self.at(activity.last_activity());
        run(OPERATION, self.0.writers(), move |lease| async move {
            inner.begin(lease, key, activity, keep_until).await
        })
    }

    fn load(&self, key: SessionKey) -> Self::Future<Option<Activity>> {
        let inner = Arc::clone(&self.0);
        run(OPERATION, &self.0.pool, move |mut lease| async move {
            inner.load(&mut lease, key).await
        })
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Self::Future<Option<Activity>> {
        let inner = self.at(touch.now());
        run(OPERATION, &self.0.pool, move |lease| async move {
            inner.touch(lease, key, touch).await
        })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Self::Future<bool> {
        let inner = Arc::clone(&self.0);
        run(OPERATION, self.0.writers(), move |mut lease| async move {
            let values = vec![Value::Number(row::millis(keep_until)), Value::key(key)];
            let revoked = lease
                .execute_durably(&inner.statements.revoke, values)
                .await?;
            Ok(revoked > 0)
        })
    }
}

impl<DB: SqlDatabase> SharedStore for SqlStore<DB> {
    fn touch_many(&self, mut touches: Vec<(SessionKey, Touch)>) -> Self::Future<()> {
        touches.sort_unstable_by_key(|(key, _)| *key);
        let Some(now) = touches.iter().map(|(_, touch)| touch.now()).max() else {
            return Box::pin(async { Ok(()) });
        };
        let inner = self.at(now);
        Box::pin(async move {
            let mut malformed = Ok(());
            for touches in touches.chunks(batch::MOST) {
                let (batch, touches) = (Arc::clone(&inner), touches.to_vec());
                let written = run(CHORE, &inner.pool, move |lease| async move {
                    batch.touch_batch(lease, &touches).await
                });
                match written.await {
                    Err(error) if error.is_malformed() => malformed = Err(error),
                    other => other?,
                }
            }
            malformed
        })
    }

    fn revocations(&self) -> Revocations {
        DB::revocations(&self.0.pool, &self.0.table)
    }
}

impl<DB: SqlDatabase> Clone for SqlStore<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: SqlDatabase> fmt::Debug for SqlStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("database", &DB::NAME)
            .field("table", &self.0.table.as_str())
            .field("connections", &self.0.pool.size())
            .finish_non_exhaustive()
    }
}
