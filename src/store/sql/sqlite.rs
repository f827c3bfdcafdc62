//! The store in SQLite: its connections and its statements.

use std::str::FromStr;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Row as _, SqlStr, Sqlite, SqlitePool};

use super::call::{Call, query};
use super::dialect::{
    Dialect, SqlDatabase, Statements, each_column, is_unchanged, row, still_applies, text,
};
use super::error::{Consequence, SqlError};
use super::log_row::{LogRow, READ_ROWS, log_row};
use super::pool::{ConnectionPool, pool_options};
use super::row::{COLUMNS, Row};
use super::settings::Settings;
use super::sql_store::SqlStore;
use super::users;
use super::users::link_row::{LinkRow, link_row};
use super::value::Value;
use crate::clock::system::SystemClock;

/// The time in milliseconds since 1970.
const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/// The number of connections that read. A read takes microseconds, so a few are enough.
const READERS: u32 = 4;

const NO_WAL: &str = "several connections cannot share this SQLite database: use a file on a local disk, or \
                      `MemoryStore` for a database in memory";

/// Stores activity in a SQLite file, for one machine whose sessions must survive a restart.
///
/// The file is in WAL mode. Several connections read, and one connection writes. Every answered
/// write survives the end of the process, including `kill -9`. Created and revoked sessions survive
/// a power cut too. A power cut may lose the touches of the last moments, which can only end a
/// session early.
///
/// Several processes on one machine may share a file, but not on a network file system.
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
    /// Opens a file, such as `sqlite:sessions.db` in the current folder or
    /// `sqlite:/var/lib/app/sessions.db`. Creates the file if it is missing.
    ///
    /// These parameters of the URL set how the store works. The others are those of sqlx.
    ///
    /// | parameter | sets | default |
    /// |---|---|---|
    /// | `pool` | the largest number of connections that read; one more writes | `4` |
    /// | `timeout` | the time limit of an operation, such as `500ms` or `2s` | `1s` |
    /// | `table` | the name of the table | `session_activity` |
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is not valid, if the file cannot be written or is not a SQLite
    /// database, and if the database is in memory.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        let (settings, url) = Settings::from_url(url)?;
        let options = with_wal(SqliteConnectOptions::from_str(&url)?, &settings);
        // The connection that writes creates the file, with `auto_vacuum`, so that the file shrinks
        // when rows are removed. Connections that read must not set `auto_vacuum`: that is a write.
        let creates = options
            .clone()
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Full);
        let writer = writer(creates, &settings).await?;
        let readers = pool_options(&settings)
            .max_connections(settings.connections.unwrap_or(READERS))
            .connect_lazy_with(options);
        Ok(Self::new(
            ConnectionPool::new(readers, settings),
            Some(writer),
        ))
    }

    /// Creates a store that reads with the connections of your pool. To write, it opens one
    /// connection with the same options, in WAL mode.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written, and if the database is in memory.
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, SqlError> {
        // Nothing is set on a connection of SQLite, so statements are prepared on yours too.
        let settings = Settings::default();
        let options = pool.connect_options().as_ref().clone();
        let writer = writer(with_wal(options, &settings), &settings).await?;
        Ok(Self::new(ConnectionPool::new(pool, settings), Some(writer)))
    }

    /// Returns the clock of this machine. SQLite has no clock of its own.
    #[must_use]
    pub fn clock(&self) -> SystemClock {
        SystemClock
    }
}

/// Opens a pool of one connection that writes.
async fn writer(
    options: SqliteConnectOptions,
    settings: &Settings,
) -> Result<ConnectionPool<Sqlite>, SqlError> {
    let pool: SqlitePoolOptions = pool_options(settings);
    let pool = pool
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    let mode = sqlx::query_scalar("PRAGMA journal_mode");
    let mode: String = mode.fetch_one(&pool).await?;
    if mode == "wal" {
        Ok(ConnectionPool::new(pool, settings.clone()))
    } else {
        Err(SqlError::refused(NO_WAL))
    }
}

fn with_wal(options: SqliteConnectOptions, settings: &Settings) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        // For how long to wait for another process that writes to the same file.
        .busy_timeout(settings.timeout / 2)
}

impl SqlDatabase for Sqlite {}

impl Dialect for Sqlite {
    const STORE: &'static str = "sqlite";

    fn statements(settings: &Settings) -> Statements {
        let table = settings.table.as_str();
        let logged_until = format!("{NOW} + {}", settings.logged_for().as_millis());
        let new_values = each_column(|column| format!("excluded.{column}"));
        let touch_applies = still_applies("", "IS", |_| "?".to_owned());
        let due_applies = still_applies("row.", "IS", |value| format!("(due.value ->> '{value}')"));
        let unchanged = is_unchanged("IS", ["?"; 5]);
        Statements {
            // Without a row id, rows are stored in the order of their keys, in which the sweep
            // reads them. The index of the log leaves out the sessions that have never changed.
            migrate: text(format!(
                r#"CREATE TABLE IF NOT EXISTS "{table}" (
                    id BLOB NOT NULL PRIMARY KEY,
                    created_at INTEGER NOT NULL,
                    last_activity INTEGER NOT NULL,
                    idle_limit INTEGER,
                    absolute_limit INTEGER,
                    revoked INTEGER NOT NULL,
                    keep_until INTEGER NOT NULL,
                    replaced_at INTEGER,
                    next_id BLOB NOT NULL,
                    logged_until INTEGER
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX IF NOT EXISTS "{table}_logged_until" ON "{table}" (logged_until)
                    WHERE logged_until IS NOT NULL;
                CREATE TABLE IF NOT EXISTS "{table}_sweep" (
                    id INTEGER NOT NULL PRIMARY KEY,
                    sweeper INTEGER NOT NULL,
                    held_until INTEGER NOT NULL
                ) STRICT"#
            )),
            load: text(format!(r#"SELECT {COLUMNS} FROM "{table}" WHERE id = ?"#)),
            create: text(format!(
                r#"INSERT INTO "{table}" ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET ({COLUMNS}, logged_until) = ({new_values}, {logged_until})"#
            )),
            begin: text(format!(
                r#"INSERT INTO "{table}" ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"#
            )),
            touch: text(format!(
                r#"UPDATE "{table}" SET last_activity = ?, keep_until = max(keep_until, ?)
                WHERE id = ? AND {touch_applies}"#
            )),
            change: text(format!(
                r#"UPDATE "{table}" SET idle_limit = ?, absolute_limit = ?, replaced_at = ?, next_id = ?,
                    keep_until = max(keep_until, ?), logged_until = {logged_until}
                WHERE id = ? AND {unchanged}"#
            )),
            revoke: text(format!(
                r#"UPDATE "{table}" SET revoked = TRUE, keep_until = max(keep_until, ?),
                    logged_until = {logged_until}
                WHERE id = ?"#
            )),
            // A process that ended between the two steps of `migrate` has left no index. Then this
            // fails, and `migrate` creates it.
            log: text(format!(
                r#"SELECT answer.now, answer.server, changed.id
                FROM (SELECT {NOW} AS now, 0 AS server) AS answer
                LEFT JOIN (
                    SELECT id FROM "{table}" INDEXED BY "{table}_logged_until"
                    WHERE logged_until > ? AND logged_until < ? LIMIT {READ_ROWS}
                ) AS changed ON TRUE"#
            )),
            load_many: text(format!(
                r#"SELECT {COLUMNS} FROM "{table}" WHERE id IN (SELECT unhex(value) FROM json_each(?))"#
            )),
            touch_many: text(format!(
                r#"UPDATE "{table}" AS row
                SET last_activity = due.value ->> 'moves_to', keep_until = max(keep_until, due.value ->> 'keep_until')
                FROM json_each(?) AS due
                WHERE row.id = unhex(due.value ->> 'id') AND {due_applies}"#
            )),
            page: text(format!(
                r#"SELECT {COLUMNS} FROM "{table}" WHERE id > ? ORDER BY id LIMIT ?"#
            )),
            remove: text(format!(
                r#"DELETE FROM "{table}" WHERE id IN (SELECT unhex(value) FROM json_each(?)) AND keep_until <= ?"#
            )),
            now: text(format!("SELECT {NOW}")),
            claim_sweep: text(format!(
                r#"INSERT INTO "{table}_sweep" AS held (id, sweeper, held_until)
                VALUES (1, ?, {NOW} + ?)
                ON CONFLICT (id) DO UPDATE
                SET sweeper = excluded.sweeper, held_until = excluded.held_until
                WHERE held.sweeper = excluded.sweeper OR held.held_until <= {NOW}"#
            )),
            sweep_time: text(format!(
                r#"SELECT {NOW} FROM "{table}_sweep" WHERE id = 1 AND sweeper = ?"#
            )),
            users: users::sqlite::statements(table, NOW, &logged_until),
        }
    }

    /// The options of the connection hold all settings.
    async fn set_up(_: &mut SqliteConnection, _: Duration) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// The connection limits the time to wait for a lock, and no statement waits for anything else.
    fn text_call<'a>(_: Duration, statement: &'a SqlStr, values: &'a [Value]) -> Call<'a> {
        match values {
            // A script can hold several statements. A prepared statement is one.
            [] => Call::Text(statement.clone()),
            values => Call::prepared(statement, values),
        }
    }

    async fn fetch(
        connection: &mut SqliteConnection,
        call: &Call<'_>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.into_iter().map(row).collect()
    }

    async fn log(
        connection: &mut SqliteConnection,
        call: &Call<'_>,
    ) -> Result<Vec<LogRow>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.into_iter().map(log_row).collect()
    }

    async fn links(
        connection: &mut SqliteConnection,
        call: &Call<'_>,
    ) -> Result<Vec<LinkRow>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.into_iter().map(link_row).collect()
    }

    async fn number(
        connection: &mut SqliteConnection,
        call: &Call<'_>,
    ) -> Result<Option<i64>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.first().map(|row| row.try_get(0)).transpose()
    }

    async fn execute(
        connection: &mut SqliteConnection,
        call: &Call<'_>,
    ) -> Result<u64, sqlx::Error> {
        let done = match call {
            Call::Prepared(statement, values) => {
                let query = query::<Self>(statement, values);
                query.execute(connection).await?
            }
            Call::Text(text) => sqlx::raw_sql(text.clone()).execute(connection).await?,
        };
        Ok(done.rows_affected())
    }

    async fn execute_durably(
        connection: &mut SqliteConnection,
        call: &Call<'_>,
    ) -> Result<u64, sqlx::Error> {
        // A synchronous commit also takes all commits before it to the disk.
        pragma(connection, "PRAGMA synchronous = FULL").await?;
        let done = Self::execute(connection, call).await;
        pragma(connection, "PRAGMA synchronous = NORMAL").await?;
        done
    }

    fn consequence(_: &dyn DatabaseError) -> Consequence {
        Consequence::Keep
    }
}

async fn rows(
    connection: &mut SqliteConnection,
    call: &Call<'_>,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    match call {
        Call::Prepared(statement, values) => {
            let query = query::<Sqlite>(statement, values);
            query.fetch_all(connection).await
        }
        Call::Text(text) => sqlx::raw_sql(text.clone()).fetch_all(connection).await,
    }
}

async fn pragma(
    connection: &mut SqliteConnection,
    pragma: &'static str,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(pragma).execute(connection).await?;
    Ok(())
}
