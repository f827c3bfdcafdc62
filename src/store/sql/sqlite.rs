//! How does SQLite say it?

use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Pool, SqlStr, Sqlite, SqlitePool};

use super::dialect::{Dialect, SqlDatabase, Statements, Value, query, row, text};
use super::error::SqlError;
use super::lease::pool_options;
use super::row::{COLUMNS, Row};
use super::table::TableName;
use crate::clock::SystemClock;
use crate::store::shared_store::Revocations;
use crate::store::sql::sql_store::SqlStore;

/// How long to wait for another process that writes to the same file.
const BUSY: Duration = Duration::from_millis(500);

/// SQLite answers in microseconds, so a few connections read for everybody.
const READERS: u32 = 4;

const NO_WAL: &str = "this SQLite database cannot be shared by several connections: in memory, use `MemoryStore`; \
                      otherwise, a file on a disk of this machine";

/// Activity remembered in a SQLite file: for one machine whose sessions must survive a restart.
///
/// The file is in WAL mode, with several connections that read and one that writes, so that no writer waits for
/// another. What was answered survives the end of the process, `kill -9` too. A session that was created or revoked
/// survives a power cut as well; touches may lose the last moments before it, which can only end a session early.
///
/// Several processes on one machine may share a file; on a network file system they must not. Revocations are not
/// pushed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("login-timeout-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let url = format!("sqlite:{}/sessions.db", folder.display());
/// use tower_login_timeout::{Activity, ActivityStore, Policy, SessionKey, SqliteStore, Timestamp};
///
/// // For example "sqlite:sessions.db".
/// let store = SqliteStore::connect(&url).await?;
/// store.migrate().await?;
///
/// let (key, now) = (SessionKey::of("sesame"), Timestamp::from_unix_millis(1_700_000_000_000));
/// let activity = Activity::began(now);
/// store.create(key, activity, Policy::default().keep_until(&activity)).await?;
/// assert_eq!(store.load(key).await?, Some(activity));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
pub type SqliteStore = SqlStore<Sqlite>;

impl SqliteStore {
    /// Opens a file, such as `sqlite:sessions.db` in the current folder or `sqlite:/var/lib/app/sessions.db`. Creates
    /// it if there is none.
    ///
    /// # Errors
    ///
    /// A URL that cannot be read, a file that cannot be written or is none of SQLite's, and a database in memory.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        let options = careful(SqliteConnectOptions::from_str(url)?);
        // The one that writes creates the file, so that it hands back what removed records leave. Who reads must not
        // say so too: that is a write.
        let creates = options
            .clone()
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Full);
        let writer = writer(creates).await?;
        let readers = pool_options()
            .max_connections(READERS)
            .connect_lazy_with(options);
        Ok(Self::new(readers, Some(writer), TableName::default()))
    }

    /// Uses the connections of a pool to read. To write, one of its own is made by the same options, in WAL mode.
    ///
    /// # Errors
    ///
    /// A file that cannot be written, and a database in memory.
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, SqlError> {
        let options = pool.connect_options().as_ref().clone();
        let writer = writer(careful(options)).await?;
        Ok(Self::new(pool, Some(writer), TableName::default()))
    }

    /// The machine's clock, since the database has no other.
    #[must_use]
    pub fn clock(&self) -> SystemClock {
        SystemClock
    }
}

/// A pool of one.
async fn writer(options: SqliteConnectOptions) -> Result<SqlitePool, SqlError> {
    let pool: SqlitePoolOptions = pool_options();
    let pool = pool
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    let mode = sqlx::query_scalar("PRAGMA journal_mode");
    let mode: String = mode.fetch_one(&pool).await?;
    if mode == "wal" {
        Ok(pool)
    } else {
        Err(SqlError::refused(NO_WAL))
    }
}

fn careful(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
}

impl SqlDatabase for Sqlite {}

impl Dialect for Sqlite {
    fn statements(table: &TableName) -> Statements {
        let table = table.as_str();
        Statements {
            // Rows lie in the order of their keys, as the walk that removes them goes.
            migrate: text(format!(
                r#"CREATE TABLE IF NOT EXISTS "{table}" (
                    id BLOB NOT NULL PRIMARY KEY,
                    created_at INTEGER NOT NULL,
                    last_activity INTEGER NOT NULL,
                    idle_limit INTEGER,
                    absolute_limit INTEGER,
                    revoked INTEGER NOT NULL,
                    keep_until INTEGER NOT NULL
                ) STRICT, WITHOUT ROWID"#
            )),
            load: text(format!(r#"SELECT {COLUMNS} FROM "{table}" WHERE id = ?"#)),
            create: text(format!(
                r#"REPLACE INTO "{table}" ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"#
            )),
            begin: text(format!(
                r#"INSERT INTO "{table}" ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"#
            )),
            touch: text(format!(
                r#"UPDATE "{table}" SET last_activity = ?, keep_until = max(keep_until, ?)
                WHERE id = ? AND NOT revoked
                    AND created_at = ? AND idle_limit IS ? AND absolute_limit IS ?
                    AND last_activity BETWEEN ? AND ?"#
            )),
            revoke: text(format!(
                r#"UPDATE "{table}" SET revoked = TRUE, keep_until = max(keep_until, ?) WHERE id = ?"#
            )),
            load_many: text(format!(
                r#"SELECT {COLUMNS} FROM "{table}" WHERE id IN (SELECT unhex(value) FROM json_each(?))"#
            )),
            touch_many: text(format!(
                r#"UPDATE "{table}" AS row
                SET last_activity = due.value ->> 'moves_to', keep_until = max(keep_until, due.value ->> 'keep_until')
                FROM json_each(?) AS due
                WHERE row.id = unhex(due.value ->> 'id') AND NOT revoked
                    AND created_at = due.value ->> 'created_at'
                    AND idle_limit IS due.value ->> 'idle_limit'
                    AND absolute_limit IS due.value ->> 'absolute_limit'
                    AND last_activity BETWEEN due.value ->> 'seen' AND due.value ->> 'stale_until'"#
            )),
            page: text(format!(
                r#"SELECT {COLUMNS} FROM "{table}" WHERE id > ? ORDER BY id LIMIT ?"#
            )),
            remove: text(format!(
                r#"DELETE FROM "{table}" WHERE id IN (SELECT unhex(value) FROM json_each(?)) AND keep_until <= ?"#
            )),
        }
    }

    async fn run_script(
        connection: &mut SqliteConnection,
        script: SqlStr,
    ) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(script).execute(connection).await?;
        Ok(())
    }

    async fn fetch(
        connection: &mut SqliteConnection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let rows = query::<Self>(statement, values)
            .fetch_all(connection)
            .await?;
        rows.into_iter().map(row).collect()
    }

    async fn execute(
        connection: &mut SqliteConnection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<u64, sqlx::Error> {
        let done = query::<Self>(statement, values).execute(connection).await?;
        Ok(done.rows_affected())
    }

    async fn execute_durably(
        connection: &mut SqliteConnection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<u64, sqlx::Error> {
        // A commit that is synced takes all before it to the disk.
        pragma(connection, "PRAGMA synchronous = FULL").await?;
        let done = Self::execute(connection, statement, values).await;
        pragma(connection, "PRAGMA synchronous = NORMAL").await?;
        done
    }

    fn revocations(_: &Pool<Self>, _: &TableName) -> Revocations {
        Revocations::never()
    }
}

async fn pragma(
    connection: &mut SqliteConnection,
    pragma: &'static str,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(pragma).execute(connection).await?;
    Ok(())
}
