//! The store in PostgreSQL: its connections and its statements.

use std::str::FromStr;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions, PgPool, Postgres, Row as _, SqlStr};

use super::call::{Call, query};
use super::clock;
use super::dialect::{
    Dialect, SqlDatabase, Statements, each_column, is_unchanged, row, still_applies, text,
};
use super::error::{Consequence, SqlError};
use super::log_row::{LogRow, READ_ROWS, log_row};
use super::pool::{ConnectionPool, pool_options};
use super::row::{COLUMNS, Row};
use super::settings::{Protocol, Settings, statement_timeout};
use super::sql_store::SqlStore;
use super::users;
use super::users::link_row::{LinkRow, link_row};
use super::value::Value;
use crate::store::store_clock::StoreClock;

/// Makes a statement return before its commit is on the disk.
const ASYNC_COMMIT: &str = "(SELECT set_config('synchronous_commit', 'off', true)) AS async_commit";

/// The time in milliseconds since 1970.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Stores activity in PostgreSQL 11 or later.
///
/// Created and revoked sessions are as durable as the server's `synchronous_commit` says. Touches
/// do not wait for the disk: a power cut may lose the touches of the last moments, which can only
/// end a session early.
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
    /// Connects to a server: `postgres://user:password@host:5432/database`. Parts that the URL does
    /// not set are read from the environment variables of `psql`, such as `PGPASSWORD`.
    ///
    /// These parameters of the URL set how the store works. The others are those of sqlx.
    ///
    /// | parameter | sets | default |
    /// |---|---|---|
    /// | `pool` | the largest number of connections | `10` |
    /// | `timeout` | the time limit of an operation, such as `500ms` or `2s` | `1s` |
    /// | `table` | the name of the table | `session_activity` |
    /// | `persistent-statements` | `no` for a pooler such as pgbouncer in transaction mode | `yes` |
    ///
    /// With `persistent-statements=no`, each statement is one message that carries its values, so
    /// it needs no prepared statement and no setting of the connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is not valid, if the server cannot be reached within half the
    /// time limit, or if it refuses the connection.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        let (settings, url) = Settings::from_url(url)?;
        let mut options = PgConnectOptions::from_str(&url)?;
        if settings.protocol == Protocol::Text {
            // pgbouncer refuses start-up parameters that it does not know. A text holds session
            // keys, so sqlx must not log it.
            options = options.extra_float_digits(None).disable_statement_logging();
        }
        let pool = pool_options(&settings)
            .max_connections(settings.connections.unwrap_or(CONNECTIONS))
            .connect_with(options)
            .await?;
        Ok(Self::new(ConnectionPool::new(pool, settings), None))
    }

    /// Creates a store that uses the connections of your pool.
    ///
    /// The store leaves no setting and no prepared statement on your connections: each statement is
    /// one message that carries its values and its time limit. A connection is closed only if it is
    /// lost.
    ///
    /// By default, sqlx tests each connection before it is used. That costs each check a second
    /// round trip: see `PoolOptions::test_before_acquire`. If sqlx logs the statements of your
    /// pool, it logs session keys.
    #[must_use]
    pub fn from_pool(pool: PgPool) -> Self {
        Self::new(ConnectionPool::new(pool, Settings::of_application()), None)
    }

    /// Creates a clock that follows the clock of the server, for nodes whose own clocks differ.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not return its time.
    pub async fn clock(&self) -> Result<StoreClock, SqlError> {
        clock::follow(self).await
    }
}

/// The largest number of connections, unless the URL sets it.
const CONNECTIONS: u32 = 10;

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
    const STORE: &'static str = "postgres";

    fn statements(settings: &Settings) -> Statements {
        let table = settings.table.as_str();
        let logged_until = format!("{NOW} + {}", settings.logged_for().as_millis());
        let new_values = each_column(|column| format!("excluded.{column}"));
        let touch_applies = still_applies("", SAME, |value| parameter(value).to_owned());
        let due_applies = still_applies("stored.", SAME, |value| format!("due.{value}"));
        let unchanged = is_unchanged(SAME, ["$7", "$8", "$9", "$10", "$11"]);
        Statements {
            // The lock is for nodes that start together: both would find no table. The fill factor
            // leaves room for touched rows on the same page. No touched column is indexed. So a
            // touch changes no index (a HOT update). The index of the log leaves out the sessions
            // that have never changed.
            migrate: text(format!(
                r#"SELECT pg_advisory_xact_lock(hashtext('{table}'));
                CREATE TABLE IF NOT EXISTS "{table}" (
                    id bytea NOT NULL PRIMARY KEY,
                    created_at bigint NOT NULL,
                    last_activity bigint NOT NULL,
                    idle_limit bigint,
                    absolute_limit bigint,
                    revoked boolean NOT NULL,
                    keep_until bigint NOT NULL,
                    replaced_at bigint,
                    next_id bytea NOT NULL,
                    logged_until bigint
                ) WITH (fillfactor = 80);
                CREATE INDEX IF NOT EXISTS "{table}_logged_until" ON "{table}" (logged_until)
                    WHERE logged_until IS NOT NULL;
                CREATE TABLE IF NOT EXISTS "{table}_sweep" (
                    id bigint NOT NULL PRIMARY KEY,
                    sweeper bigint NOT NULL,
                    held_until bigint NOT NULL
                )"#
            )),
            load: text(format!(r#"SELECT {COLUMNS} FROM "{table}" WHERE id = $1"#)),
            create: text(format!(
                r#"INSERT INTO "{table}" ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                ON CONFLICT (id) DO UPDATE SET ({COLUMNS}, logged_until) = ({new_values}, {logged_until})"#
            )),
            begin: text(format!(
                r#"INSERT INTO "{table}" ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"#
            )),
            touch: text(format!(
                r#"UPDATE "{table}" SET last_activity = $1, keep_until = greatest(keep_until, $2)
                FROM {ASYNC_COMMIT}
                WHERE id = $3 AND {touch_applies}"#
            )),
            change: text(format!(
                r#"UPDATE "{table}" SET idle_limit = $1, absolute_limit = $2, replaced_at = $3, next_id = $4,
                    keep_until = greatest(keep_until, $5), logged_until = {logged_until}
                WHERE id = $6 AND {unchanged}"#
            )),
            revoke: text(format!(
                r#"UPDATE "{table}" SET revoked = TRUE, keep_until = greatest(keep_until, $1),
                    logged_until = {logged_until}
                WHERE id = $2"#
            )),
            // `now()` is the start of the transaction, which is before the snapshot. Another
            // server, or the same one after a restart, has another start. Each of the order and the
            // upper bound makes the planner use the index even where it knows nothing about the
            // table.
            log: text(format!(
                r#"SELECT answer.now, answer.server, changed.id
                FROM (
                    SELECT (extract(epoch FROM now()) * 1000)::bigint AS now,
                        (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint AS server
                ) AS answer
                LEFT JOIN (
                    SELECT id FROM "{table}" WHERE logged_until > $1 AND logged_until < $2
                    ORDER BY logged_until LIMIT {READ_ROWS}
                ) AS changed ON TRUE"#
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
            now: text(format!("SELECT {NOW}")),
            claim_sweep: text(format!(
                r#"INSERT INTO "{table}_sweep" AS held (id, sweeper, held_until)
                VALUES (1, $1, {NOW} + $2)
                ON CONFLICT (id) DO UPDATE
                SET sweeper = excluded.sweeper, held_until = excluded.held_until
                WHERE held.sweeper = excluded.sweeper OR held.held_until <= {NOW}"#
            )),
            sweep_time: text(format!(
                r#"SELECT {NOW} FROM "{table}_sweep" WHERE id = 1 AND sweeper = $1"#
            )),
            users: users::postgres::statements(table, NOW, &logged_until),
        }
    }

    async fn set_up(connection: &mut PgConnection, limit: Duration) -> Result<(), sqlx::Error> {
        let (statement, lock) = limits(statement_timeout(limit));
        let settings = text(format!(
            "SET default_transaction_isolation = 'read committed'; \
             SET statement_timeout = {statement}; SET lock_timeout = {lock}"
        ));
        sqlx::raw_sql(settings).execute(connection).await?;
        Ok(())
    }

    /// A message with several statements is one transaction, so these settings end with it.
    fn text_call<'a>(limit: Duration, statement: &'a SqlStr, values: &'a [Value]) -> Call<'a> {
        let (statement_limit, lock) = limits(limit);
        let preamble = format!(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; \
             SET LOCAL statement_timeout = {statement_limit}; SET LOCAL lock_timeout = {lock}; "
        );
        Call::text(&preamble, statement, values, |hex| {
            format!("decode('{hex}', 'hex')")
        })
    }

    async fn fetch(
        connection: &mut PgConnection,
        call: &Call<'_>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.into_iter().map(row).collect()
    }

    async fn log(
        connection: &mut PgConnection,
        call: &Call<'_>,
    ) -> Result<Vec<LogRow>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.into_iter().map(log_row).collect()
    }

    async fn links(
        connection: &mut PgConnection,
        call: &Call<'_>,
    ) -> Result<Vec<LinkRow>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.into_iter().map(link_row).collect()
    }

    async fn number(
        connection: &mut PgConnection,
        call: &Call<'_>,
    ) -> Result<Option<i64>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.first().map(|row| row.try_get(0)).transpose()
    }

    async fn execute(connection: &mut PgConnection, call: &Call<'_>) -> Result<u64, sqlx::Error> {
        let done = match call {
            Call::Prepared(statement, values) => {
                let query = query::<Self>(statement, values);
                query.execute(connection).await?
            }
            Call::Text(text) => sqlx::raw_sql(text.clone()).execute(connection).await?,
        };
        Ok(done.rows_affected())
    }

    fn consequence(error: &dyn DatabaseError) -> Consequence {
        match error.code().as_deref() {
            // A transaction that is read-only: the server became a standby.
            Some("25006") => Consequence::CloseAll,
            _ => Consequence::Keep,
        }
    }
}

async fn rows(connection: &mut PgConnection, call: &Call<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
    match call {
        Call::Prepared(statement, values) => {
            let query = query::<Postgres>(statement, values);
            query.fetch_all(connection).await
        }
        Call::Text(text) => sqlx::raw_sql(text.clone()).fetch_all(connection).await,
    }
}

/// Returns `statement_timeout` and `lock_timeout` in milliseconds. That for locks is shorter, so
/// that the error says that it was a lock.
fn limits(statement: Duration) -> (u128, u128) {
    (statement.as_millis(), (statement * 8 / 9).as_millis())
}
