//! What is remembered in a SQL database?

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sqlx::Pool;

use super::ActivityStore;
use super::shared::{Revocations, SharedStore};
use crate::activity::Activity;
use crate::clock::Timestamp;
use crate::key::SessionKey;
use crate::touch::Touch;
use batch::Move;
use dialect::{Statements, Value};
use lease::{CHORE, Lease, OPERATION, SqlFuture, run};
use sweep::{PAGE, Sweep};
use table::TableName;

pub use dialect::SqlDatabase;
pub use error::SqlError;
#[cfg(feature = "mysql")]
pub use mysql::MySqlStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

mod batch;
mod dialect;
mod error;
mod lease;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
#[cfg(feature = "sqlite")]
mod sqlite;
mod sweep;
mod table;

/// How often [`begin`](ActivityStore::begin) looks for a row that is there when it writes and gone when it reads.
const ATTEMPTS: usize = 3;

/// Activity remembered in a SQL database: [`SqliteStore`](crate::SqliteStore), [`PostgresStore`](crate::PostgresStore) or
/// [`MySqlStore`](crate::MySqlStore).
///
/// It keeps one table, `session_activity` unless [`with_table`](SqlStore::with_table) says otherwise, with one row of about 60 bytes per
/// session and no index but the key's. [`migrate`](SqlStore::migrate) creates it.
///
/// - A check is one `SELECT`. Nothing is written while the row is fresher than the policy's `touch_every`. When it is due, one `UPDATE`
///   follows, which moves last activity only if the row is still the live session that was read.
/// - Records leave after their time without a background task of yours: operations that bring the time along have the table walked,
///   a page of 1000 rows at a time, at most ten pages a second. No request waits for that.
/// - Every operation ends within a second, whatever the database does. It runs to its end on a task of its own, so a request that is dropped
///   leaves nothing half done. After a restart of the database it works again at once.
/// - Session ids are never stored, only their [`SessionKey`]s.
///
/// Times come from the clock of the node that asks. Where clocks differ, build the layer with `store.clock()`, which follows the database's.
///
/// Clones share the same connections. Every operation needs a Tokio runtime.
pub struct SqlStore<DB: SqlDatabase>(Arc<Inner<DB>>);

struct Inner<DB: SqlDatabase> {
    pool: Pool<DB>,
    /// A pool of the one connection that writes, where not any may.
    writer: Option<Pool<DB>>,
    table: TableName,
    statements: Statements,
    sweep: Sweep,
}

impl<DB: SqlDatabase> SqlStore<DB> {
    fn new(pool: Pool<DB>, writer: Option<Pool<DB>>, table: TableName) -> Self {
        Self(Arc::new(Inner {
            pool,
            writer,
            statements: DB::statements(&table),
            table,
            sweep: Sweep::default(),
        }))
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
        let migrate = async move {
            let mut lease = inner.writer().await?;
            lease.run_script(inner.statements.migrate.clone()).await
        };
        run(CHORE, migrate).await
    }

    /// Begins an operation that knows the time.
    fn at(&self, now: Timestamp) -> Arc<Inner<DB>> {
        let inner = Arc::clone(&self.0);
        if let Some(as_of) = inner.sweep.due(now) {
            let inner = Arc::clone(&inner);
            // What fails is tried again by a later one.
            let sweep = run(CHORE, async move { inner.sweep(as_of).await });
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(sweep);
            }
        }
        inner
    }
}

impl<DB: SqlDatabase> Inner<DB> {
    async fn reader(&self) -> Result<Lease<DB>, SqlError> {
        Lease::from(&self.pool).await
    }

    async fn writer(&self) -> Result<Lease<DB>, SqlError> {
        match &self.writer {
            Some(pool) => Lease::from(pool).await,
            None => self.reader().await,
        }
    }

    /// The connection that has read, or the one that may write.
    async fn writer_after(&self, reader: Lease<DB>) -> Result<Lease<DB>, SqlError> {
        match &self.writer {
            Some(pool) => {
                drop(reader);
                Lease::from(pool).await
            }
            None => Ok(reader),
        }
    }

    async fn load(
        &self,
        lease: &mut Lease<DB>,
        key: SessionKey,
    ) -> Result<Option<Activity>, SqlError> {
        let rows = lease
            .fetch(&self.statements.load, vec![Value::key(key)])
            .await?;
        rows.first().map(row::Row::activity).transpose()
    }

    async fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Result<Activity, SqlError> {
        let mut lease = self.writer().await?;
        for _ in 0..ATTEMPTS {
            let values = row::values(key, &activity, keep_until);
            if lease
                .execute_durably(&self.statements.begin, values)
                .await?
                > 0
            {
                return Ok(activity);
            }
            if let Some(found) = self.load(&mut lease, key).await? {
                return Ok(found);
            }
        }
        Err(SqlError::refused(
            "the session's row came and went while it was looked at: try again",
        ))
    }

    async fn touch(&self, key: SessionKey, touch: Touch) -> Result<Option<Activity>, SqlError> {
        let mut reader = self.reader().await?;
        let found = self.load(&mut reader, key).await?;
        if let Some(due) = found.and_then(|seen| Move::of(key, &touch, seen)) {
            let mut writer = self.writer_after(reader).await?;
            writer.execute(&self.statements.touch, due.values()).await?;
        }
        Ok(found)
    }

    async fn touch_batch(&self, touches: &[(SessionKey, Touch)]) -> Result<(), SqlError> {
        let keys: Vec<_> = touches.iter().map(|(key, _)| *key).collect();
        let mut reader = self.reader().await?;
        let rows = reader
            .fetch(&self.statements.load_many, vec![batch::keys(&keys)])
            .await?;
        let mut found = HashMap::with_capacity(rows.len());
        let mut malformed = Ok(());
        for row in rows {
            match (row.key(), row.activity()) {
                (Ok(key), Ok(activity)) => {
                    found.insert(key, activity);
                }
                // The others are written all the same.
                (Err(error), _) | (_, Err(error)) => malformed = Err(error),
            }
        }
        let moves: Vec<_> = touches
            .iter()
            .filter_map(|(key, touch)| Move::of(*key, touch, *found.get(key)?))
            .collect();
        if !moves.is_empty() {
            let mut writer = self.writer_after(reader).await?;
            writer
                .execute(&self.statements.touch_many, vec![batch::moves(&moves)])
                .await?;
        }
        malformed
    }

    /// Looks at one page, unless somebody does.
    async fn sweep(&self, as_of: Timestamp) -> Result<(), SqlError> {
        let Ok(mut after) = self.sweep.after.try_lock() else {
            return Ok(());
        };
        let mut reader = self.reader().await?;
        let page = vec![Value::Bytes(after.clone()), Value::Number(PAGE as i64)];
        let rows = reader.fetch(&self.statements.page, page).await?;
        let as_of = row::millis(as_of);
        let over: Vec<_> = rows
            .iter()
            .filter(|row| row.keep_until <= as_of)
            .filter_map(|row| row.key().ok())
            .collect();
        if !over.is_empty() {
            let mut writer = self.writer_after(reader).await?;
            let values = vec![batch::keys(&over), Value::Number(as_of)];
            writer.execute(&self.statements.remove, values).await?;
        }
        let last = rows.last().map(|row| row.id.clone());
        *after = self.sweep.plan(rows.len(), last);
        Ok(())
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
        run(OPERATION, async move {
            let values = row::values(key, &activity, keep_until);
            let mut lease = inner.writer().await?;
            lease
                .execute_durably(&inner.statements.create, values)
                .await?;
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
        run(OPERATION, async move {
            inner.begin(key, activity, keep_until).await
        })
    }

    fn load(&self, key: SessionKey) -> Self::Future<Option<Activity>> {
        let inner = Arc::clone(&self.0);
        run(OPERATION, async move {
            let mut lease = inner.reader().await?;
            inner.load(&mut lease, key).await
        })
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Self::Future<Option<Activity>> {
        let inner = self.at(touch.now());
        run(OPERATION, async move { inner.touch(key, touch).await })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Self::Future<bool> {
        let inner = Arc::clone(&self.0);
        run(OPERATION, async move {
            let values = vec![Value::Number(row::millis(keep_until)), Value::key(key)];
            let mut lease = inner.writer().await?;
            Ok(lease
                .execute_durably(&inner.statements.revoke, values)
                .await?
                > 0)
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
        let batches = u32::try_from(touches.len().div_ceil(batch::MOST)).unwrap_or(u32::MAX);
        run(CHORE.saturating_mul(batches), async move {
            let mut malformed = Ok(());
            for touches in touches.chunks(batch::MOST) {
                match inner.touch_batch(touches).await {
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
