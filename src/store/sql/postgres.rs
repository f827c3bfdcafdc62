//! How does PostgreSQL say it?

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{PgPool, Pool, Postgres, SqlStr};

use super::dialect::{Dialect, SqlDatabase, Statements, Value, query, row, text};
use super::error::SqlError;
use super::lease::pool_options;
use super::row::{COLUMNS, Row};
use super::table::TableName;
use super::{clock, postgres_listen};
use crate::store::shared_store::Revocations;
use crate::store::sql::sql_store::SqlStore;
use crate::store::store_clock::StoreClock;

/// The statement that it is part of is answered before it is on the disk.
const RELAXED: &str = "(SELECT set_config('synchronous_commit', 'off', true)) AS relaxed";

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Activity remembered in PostgreSQL (11 or later).
///
/// A session that was created or revoked is as durable as `synchronous_commit` says. Touches do not wait for the disk:
/// a power cut may lose those of the last moments, which can only end a session early. Revocations are pushed with
/// `NOTIFY`, in the statement that makes them; who listens takes one connection besides the pool's.
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
/// TLS takes the cargo feature `sql-tls`, and `?sslmode=verify-full` in the URL.
pub type PostgresStore = SqlStore<Postgres>;

impl PostgresStore {
    /// Connects to a server: `postgres://user:password@host:5432/database`. At most 10 connections are made. What the
    /// URL leaves open is taken from the variables that `psql` knows, such as `PGPASSWORD`.
    ///
    /// # Errors
    ///
    /// A URL that cannot be read, a server that cannot be reached within half a second or turns us away.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        let options = PgConnectOptions::from_str(url)?;
        let pool = pool_options().connect_with(options).await?;
        Ok(Self::from_pool(pool))
    }

    /// Uses the connections of a pool.
    ///
    /// By sqlx's default, a pool asks each connection whether it is there before it is used, which costs every check a
    /// second round trip: see `PoolOptions::test_before_acquire`.
    #[must_use]
    pub fn from_pool(pool: PgPool) -> Self {
        Self::new(pool, None, TableName::default())
    }

    /// A clock that follows the server's, for nodes whose own clocks differ.
    ///
    /// # Errors
    ///
    /// A server that does not tell its time.
    pub async fn clock(&self) -> Result<StoreClock, SqlError> {
        clock::follow(self, NOW).await
    }
}

impl SqlDatabase for Postgres {}

impl Dialect for Postgres {
    fn statements(table: &TableName) -> Statements {
        let table = table.as_str();
        let channel = postgres_listen::channel(table);
        Statements {
            // Two nodes that start together would both find no table. Rows leave room on their page for what touches
            // them, and no column that a touch changes is indexed: then no index has to change either.
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
                FROM {RELAXED}
                WHERE id = $3 AND NOT revoked
                    AND created_at = $4
                    AND idle_limit IS NOT DISTINCT FROM $5
                    AND absolute_limit IS NOT DISTINCT FROM $6
                    AND last_activity BETWEEN $7 AND $8"#
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
            // Locked in the order of the keys first, since an update locks in any.
            touch_many: text(format!(
                r#"WITH due AS (
                    SELECT stored.id, due.moves_to, due.keep_until
                    FROM "{table}" AS stored
                    JOIN json_to_recordset($1::json) AS due (
                        id text, moves_to bigint, keep_until bigint, created_at bigint,
                        idle_limit bigint, absolute_limit bigint, seen bigint, stale_until bigint
                    ) ON stored.id = decode(due.id, 'hex')
                    WHERE NOT stored.revoked
                        AND stored.created_at = due.created_at
                        AND stored.idle_limit IS NOT DISTINCT FROM due.idle_limit
                        AND stored.absolute_limit IS NOT DISTINCT FROM due.absolute_limit
                        AND stored.last_activity BETWEEN due.seen AND due.stale_until
                    ORDER BY stored.id FOR NO KEY UPDATE OF stored
                )
                UPDATE "{table}" AS stored
                SET last_activity = due.moves_to, keep_until = greatest(stored.keep_until, due.keep_until)
                FROM due, {RELAXED}
                WHERE stored.id = due.id"#
            )),
            page: text(format!(
                r#"SELECT {COLUMNS} FROM "{table}" WHERE id > $1 ORDER BY id LIMIT $2"#
            )),
            // What somebody holds is removed another time.
            remove: text(format!(
                r#"WITH ended AS (
                    SELECT id FROM "{table}"
                    WHERE id IN (SELECT decode(key, 'hex') FROM json_array_elements_text($1::json) AS key)
                        AND keep_until <= $2
                    FOR UPDATE SKIP LOCKED
                )
                DELETE FROM "{table}" USING {RELAXED} WHERE id IN (SELECT id FROM ended)"#
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
