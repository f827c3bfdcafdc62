//! The store in PostgreSQL: its connections and its statements.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{PgPool, Pool, Postgres, SqlStr};

use super::dialect::{Dialect, SqlDatabase, Statements, query, row, still_applies, text};
use super::error::SqlError;
use super::pooled_connection::pool_options;
use super::row::{COLUMNS, Row};
use super::table::TableName;
use super::value::Value;
use super::{clock, postgres_listen};
use crate::store::shared_store::Revocations;
use crate::store::sql::sql_store::SqlStore;
use crate::store::store_clock::StoreClock;

/// Makes a statement return before its commit is on the disk.
const ASYNC_COMMIT: &str = "(SELECT set_config('synchronous_commit', 'off', true)) AS async_commit";

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Stores activity in PostgreSQL 11 or later.
///
/// Created and revoked sessions are as durable as the server's `synchronous_commit` says. Touches
/// do not wait for the disk: a power cut may lose the touches of the last moments, which can only
/// end a session early. Revocations are announced with `NOTIFY`, in the statement that writes them.
/// A near cache that listens uses one connection in addition to those of the pool.
///
/// ```no_run
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_login_timeout::PostgresStore;
///
/// let store = PostgresStore::connect("postgres://app:secret@localhost/app").await?;
/// store.migrate().await?;
/// # Ok(())
/// # }
/// ```
///
/// TLS needs the cargo feature `sql-tls`, and `?sslmode=verify-full` in the URL.
pub type PostgresStore = SqlStore<Postgres>;

impl PostgresStore {
    /// Connects to a server: `postgres://user:password@host:5432/database`. Opens at most 10
    /// connections. Parts that the URL does not set are read from the environment variables of
    /// `psql`, such as `PGPASSWORD`.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is not valid, if the server cannot be reached within half a
    /// second, or if it refuses the connection.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        let options = PgConnectOptions::from_str(url)?;
        let pool = pool_options().connect_with(options).await?;
        Ok(Self::from_pool(pool))
    }

    /// Creates a store that uses the connections of your pool.
    ///
    /// By default, sqlx tests each connection before it is used. That costs each check a second
    /// round trip: see `PoolOptions::test_before_acquire`.
    #[must_use]
    pub fn from_pool(pool: PgPool) -> Self {
        Self::new(pool, None, TableName::default())
    }

    /// Creates a clock that follows the clock of the server, for nodes whose own clocks differ.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not return its time.
    pub async fn clock(&self) -> Result<StoreClock, SqlError> {
        clock::follow(self, NOW).await
    }
}

/// Compares two values, and treats two `NULL`s as equal.
const SAME: &str = "IS NOT DISTINCT FROM";

/// Returns the parameter of the statement `touch` that holds a value.
fn parameter(value: &str) -> &'static str {
    match value {
        "created_at" => "$4",
        "idle_limit" => "$5",
        "absolute_limit" => "$6",
        "seen" => "$7",
        _ => "$8",
    }
}

impl SqlDatabase for Postgres {}

impl Dialect for Postgres {
    fn statements(table: &TableName) -> Statements {
        let table = table.as_str();
        let channel = postgres_listen::channel(table);
        let touch_applies = still_applies("", SAME, |value| parameter(value).to_owned());
        let due_applies = still_applies("stored.", SAME, |value| format!("due.{value}"));
        Statements {
            // The lock is for nodes that start together: both would find no table. The fill factor
            // leaves room for touched rows on the same page. No touched column is indexed. So a
            // touch changes no index (a HOT update).
            migrate: text(format!(
                r#"SELECT pg_advisory_xact_lock(hashtext('{table}'));
                CREATE TABLE IF NOT EXISTS "{table}" (
                    id bytea NOT NULL PRIMARY KEY,
                    created_at bigint NOT NULL,
                    last_activity bigint NOT NULL,
                    idle_limit bigint,
                    absolute_limit bigint,
                    revoked boolean NOT NULL,
                    keep_until bigint NOT NULL
                ) WITH (fillfactor = 80)"#
            )),
            load: text(format!(r#"SELECT {COLUMNS} FROM "{table}" WHERE id = $1"#)),
            create: text(format!(
                r#"INSERT INTO "{table}" ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (id) DO UPDATE SET ({COLUMNS}) = ROW (excluded.*)"#
            )),
            begin: text(format!(
                r#"INSERT INTO "{table}" ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"#
            )),
            touch: text(format!(
                r#"UPDATE "{table}" SET last_activity = $1, keep_until = greatest(keep_until, $2)
                FROM {ASYNC_COMMIT}
                WHERE id = $3 AND {touch_applies}"#
            )),
            revoke: text(format!(
                r#"WITH ended AS (
                    UPDATE "{table}" SET revoked = TRUE, keep_until = greatest(keep_until, $1)
                    WHERE id = $2 RETURNING id
                )
                SELECT pg_notify('{channel}', encode(id, 'hex')) FROM ended"#
            )),
            load_many: text(format!(
                r#"SELECT {COLUMNS} FROM "{table}"
                WHERE id IN (SELECT decode(wanted, 'hex') FROM json_array_elements_text($1::json) AS wanted)"#
            )),
            // Lock the rows in the order of their keys, so that two nodes never deadlock. An update
            // alone would lock them in any order.
            touch_many: text(format!(
                r#"WITH due AS (
                    SELECT stored.id, due.moves_to, due.keep_until
                    FROM "{table}" AS stored
                    JOIN json_to_recordset($1::json) AS due (
                        id text, moves_to bigint, keep_until bigint, created_at bigint,
                        idle_limit bigint, absolute_limit bigint, seen bigint, stale_until bigint
                    ) ON stored.id = decode(due.id, 'hex')
                    WHERE {due_applies}
                    ORDER BY stored.id FOR NO KEY UPDATE OF stored
                )
                UPDATE "{table}" AS stored
                SET last_activity = due.moves_to, keep_until = greatest(stored.keep_until, due.keep_until)
                FROM due, {ASYNC_COMMIT}
                WHERE stored.id = due.id"#
            )),
            page: text(format!(
                r#"SELECT {COLUMNS} FROM "{table}" WHERE id > $1 ORDER BY id LIMIT $2"#
            )),
            // Skip locked rows. A later sweep removes them.
            remove: text(format!(
                r#"WITH ended AS (
                    SELECT id FROM "{table}"
                    WHERE id IN (SELECT decode(key, 'hex') FROM json_array_elements_text($1::json) AS key)
                        AND keep_until <= $2
                    FOR UPDATE SKIP LOCKED
                )
                DELETE FROM "{table}" USING {ASYNC_COMMIT} WHERE id IN (SELECT id FROM ended)"#
            )),
        }
    }

    async fn run_script(connection: &mut PgConnection, script: SqlStr) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(script).execute(connection).await?;
        Ok(())
    }

    async fn fetch(
        connection: &mut PgConnection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let rows = query::<Self>(statement, values)
            .fetch_all(connection)
            .await?;
        rows.into_iter().map(row).collect()
    }

    async fn execute(
        connection: &mut PgConnection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<u64, sqlx::Error> {
        let done = query::<Self>(statement, values).execute(connection).await?;
        Ok(done.rows_affected())
    }

    fn revocations(pool: &Pool<Self>, table: &TableName) -> Revocations {
        postgres_listen::listen(pool, postgres_listen::channel(table.as_str()))
    }
}
