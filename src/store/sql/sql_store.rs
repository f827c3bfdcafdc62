//! The store in a SQL database.

use std::fmt;
use std::sync::Arc;

use super::dialect::SqlDatabase;
use super::error::SqlError;
use super::operations::Inner;
use super::pool::ConnectionPool;
use super::run::{SqlFuture, run, run_in_background};
use super::settings::Settings;
use super::table::TableName;
use super::{batch, row};
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::change_log::{Changes, LogPosition};
use crate::store::event::observe_store::ObserveStore;
use crate::store::event::store_observers::StoreObservers;
use crate::store::shared_store::{SharedStore, TouchAnswer};

/// Stores activity in a SQL database. Use it as `SqliteStore`, `PostgresStore` or `MySqlStore`.
/// Each of them has its own cargo feature.
///
/// The store has one table with one row of about 60 bytes for each session. Beside the primary key
/// it has one index, for the log of changes, which no touch changes. The name of the table is
/// `session_activity`, or is set by [`with_table`](SqlStore::with_table) or the URL. A second
/// table, with the suffix `_sweep`, has one row, which says which node removes old rows.
/// [`migrate`](SqlStore::migrate) creates both.
///
/// - **A check** is one `SELECT`. If the policy's `touch_every` has passed since the last activity,
///   one `UPDATE` follows. It moves the last activity only if the row is still the live session
///   that was read.
/// - **Old rows** are removed without a task of yours. Operations that carry a time sweep the table
///   in the background: one page of 1000 rows at a time, at most ten pages a second, on one node at
///   a time. No row is removed before its time by the clock of the database.
/// - **Every operation** of a request ends within one second, or the time that the URL sets. It
///   runs to its end on its own task, so a cancelled request leaves nothing half done. The server
///   ends a statement that takes longer, so that a locked table costs no connection beyond the
///   pool.
/// - **Connections** are closed only if they are lost. After a restart of the database, or a
///   switch-over to another server, the store works again at once. While the database is away, the
///   time between attempts to connect grows to 5 seconds, or to 30 seconds if it refuses the login.
/// - **Changes** are read by near caches once a second, with one statement: the keys of the rows
///   that were created, changed or revoked in the last seconds.
/// - **Conflicts** with other transactions are repeated. Statements are read committed, whatever
///   the database has as its default.
/// - **Session ids** are never stored. The table holds [`SessionKey`]s.
///
/// Times come from the clock of the node. If the clocks of your nodes differ, build the layer with
/// `store.clock()`, which follows the clock of the database.
///
/// Clones share their connections. Every operation needs a Tokio runtime with I/O and time enabled.
/// The cargo features `sqlite`, `postgres` and `mysql` need Rust 1.94, because sqlx 0.9 does.
pub struct SqlStore<DB: SqlDatabase>(pub(super) Arc<Inner<DB>>);

impl<DB: SqlDatabase> SqlStore<DB> {
    pub(super) fn new(pool: ConnectionPool<DB>, writer: Option<ConnectionPool<DB>>) -> Self {
        Self(Arc::new(Inner::new(pool, writer)))
    }

    /// Returns a store that uses the same connections by other settings.
    pub(super) fn with_settings(&self, settings: Settings) -> Self {
        let Inner { pool, writer, .. } = &*self.0;
        let writer = writer.as_ref();
        Self::new(
            pool.with_settings(settings.clone()),
            writer.map(|writer| writer.with_settings(settings)),
        )
    }

    /// Sets the table. The default is `session_activity`.
    ///
    /// # Errors
    ///
    /// Returns an error unless the name consists of 1 to 48 ASCII letters, digits and underscores,
    /// and does not begin with a digit.
    pub fn with_table(self, name: &str) -> Result<Self, SqlError> {
        let table = TableName::new(name)?;
        Ok(self.with_settings(Settings {
            table,
            ..self.0.pool.settings().clone()
        }))
    }

    /// Adds an observer. It is told [`StoreEvent::Connected`], [`StoreEvent::Lost`],
    /// [`StoreEvent::Reconnected`] and [`StoreEvent::MalformedRows`], and
    /// [`StoreEvent::ClockStepped`] by the clocks that this store creates.
    ///
    /// [`StoreEvent::Connected`]: crate::StoreEvent::Connected
    /// [`StoreEvent::Lost`]: crate::StoreEvent::Lost
    /// [`StoreEvent::Reconnected`]: crate::StoreEvent::Reconnected
    /// [`StoreEvent::MalformedRows`]: crate::StoreEvent::MalformedRows
    /// [`StoreEvent::ClockStepped`]: crate::StoreEvent::ClockStepped
    #[must_use]
    pub fn with_observer(self, observer: impl ObserveStore) -> Self {
        let mut settings = self.0.pool.settings().clone();
        settings.observers.push(observer);
        self.with_settings(settings)
    }

    pub(crate) fn with_observers(self, observers: StoreObservers) -> Self {
        self.with_settings(Settings {
            observers,
            ..self.0.pool.settings().clone()
        })
    }

    /// Creates the tables that are missing. Call this whenever the program starts.
    ///
    /// If the table exists, this needs no right to create one. The user of the database needs the
    /// rights to `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the table, and all but the last on
    /// the table with the suffix `_sweep`. Without rights on that one, each node removes old rows
    /// at a tenth of the pace.
    ///
    /// # Errors
    ///
    /// Returns the error of the database, such as a missing permission or a table with other
    /// columns.
    pub async fn migrate(&self) -> Result<(), SqlError> {
        let inner = Arc::clone(&self.0);
        run_in_background(self.0.writers(), move |connection| async move {
            inner.migrate(connection).await
        })
        .await
    }

    /// Begins an operation that knows the time. Starts a sweep if one is due.
    fn begin_at(&self, now: Timestamp) -> Arc<Inner<DB>> {
        let inner = Arc::clone(&self.0);
        if let Some(as_of) = inner.sweep.due(now) {
            let sweeping = Arc::clone(&inner);
            let sweep = run_in_background(&inner.pool, move |connection| async move {
                sweeping.sweep(connection, as_of).await
            });
            // A later sweep repeats one that fails.
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
        let inner = self.begin_at(activity.last_activity());
        run(self.0.writers(), move |mut connection| async move {
            let (create, values) = (
                &inner.statements.create,
                row::values(key, &activity, keep_until),
            );
            connection.execute_durably(create, &values).await?;
            Ok(())
        })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<Activity> {
        let inner = self.begin_at(activity.last_activity());
        run(self.0.writers(), move |connection| async move {
            inner.begin(connection, key, activity, keep_until).await
        })
    }

    fn load(&self, key: SessionKey) -> Self::Future<Option<Activity>> {
        let inner = Arc::clone(&self.0);
        run(&self.0.pool, move |mut connection| async move {
            inner.load(&mut connection, key).await
        })
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Self::Future<Option<Activity>> {
        let inner = self.begin_at(touch.now());
        run(&self.0.pool, move |connection| async move {
            inner.touch(connection, key, touch).await
        })
    }

    fn change(&self, key: SessionKey, change: Change) -> Self::Future<Option<Activity>> {
        let inner = self.begin_at(change.now());
        run(self.0.writers(), move |connection| async move {
            inner.change(connection, key, &change).await
        })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Self::Future<Option<Activity>> {
        let inner = Arc::clone(&self.0);
        run(self.0.writers(), move |connection| async move {
            inner.revoke(connection, key, keep_until).await
        })
    }
}

impl<DB: SqlDatabase> SharedStore for SqlStore<DB> {
    fn touch_many(
        &self,
        mut touches: Vec<(SessionKey, Touch)>,
    ) -> Self::Future<Vec<TouchAnswer<Self::Error>>> {
        touches.sort_unstable_by_key(|(key, _)| *key);
        let Some(now) = touches.iter().map(|(_, touch)| touch.now()).max() else {
            return Box::pin(async { Ok(Vec::new()) });
        };
        let inner = self.begin_at(now);
        Box::pin(async move {
            let mut found = Vec::with_capacity(touches.len());
            for touches in touches.chunks(batch::MAX_BATCH) {
                let (batch, touches) = (Arc::clone(&inner), touches.to_vec());
                let touched = run_in_background(&inner.pool, move |connection| async move {
                    batch.touch_batch(connection, &touches).await
                });
                let touched = touched.await?.into_iter();
                found.extend(touched.map(|(key, activity)| (key, Ok(activity))));
            }
            Ok(found)
        })
    }

    fn changes_since(&self, position: Option<LogPosition>) -> Self::Future<Changes> {
        let inner = Arc::clone(&self.0);
        run(&self.0.pool, move |connection| async move {
            inner.changes_since(connection, position).await
        })
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
            .field("table", &self.0.pool.settings().table.as_str())
            .field("connections", &self.0.pool.sqlx().size())
            .finish_non_exhaustive()
    }
}
