//! How do MySQL and MariaDB say it?

use std::str::FromStr;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{MySql, MySqlPool, Pool, SqlStr};

use super::clock;
use super::dialect::{Dialect, SqlDatabase, Statements, Value, query, row, text};
use super::error::SqlError;
use super::lease::pool_options;
use super::row::{COLUMNS, Row};
use super::table::TableName;
use crate::store::shared_store::Revocations;
use crate::store::sql::sql_store::SqlStore;
use crate::store::store_clock::StoreClock;

const NOW: &str = "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)";

/// Activity remembered in MySQL (8.0 or later) or MariaDB (10.6 or later).
///
/// What is answered is as durable as the server is configured to be; its default survives a power cut. Revocations are
/// not pushed.
///
/// ```no_run
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_login_timeout::MySqlStore;
///
/// let store = MySqlStore::connect("mysql://app:secret@localhost/app").await?;
/// store.migrate().await?;
/// # Ok(())
/// # }
/// ```
///
/// TLS takes the cargo feature `sql-tls`, and `?ssl-mode=VERIFY_IDENTITY` in the URL.
pub type MySqlStore = SqlStore<MySql>;

impl MySqlStore {
    /// Connects to a server: `mysql://user:password@host:3306/database`. At most 10 connections are made.
    ///
    /// # Errors
    ///
    /// A URL that cannot be read, a server that cannot be reached within half a second or turns us away.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        let options = MySqlConnectOptions::from_str(url)?;
        let pool = pool_options().connect_with(options).await?;
        Ok(Self::from_pool(pool))
    }

    /// Uses the connections of a pool.
    ///
    /// By sqlx's default, a pool asks each connection whether it is there before it is used, which costs every check a
    /// second round trip: see `PoolOptions::test_before_acquire`.
    #[must_use]
    pub fn from_pool(pool: MySqlPool) -> Self {
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

impl SqlDatabase for MySql {}

impl Dialect for MySql {
    fn statements(table: &TableName) -> Statements {
        let table = table.as_str();
        let keys = "JSON_TABLE(?, '$[*]' COLUMNS (hex CHAR(32) PATH '$'))";
        Statements {
            migrate: text(format!(
                "CREATE TABLE IF NOT EXISTS `{table}` (
                    id BINARY(16) NOT NULL PRIMARY KEY,
                    created_at BIGINT NOT NULL,
                    last_activity BIGINT NOT NULL,
                    idle_limit BIGINT NULL,
                    absolute_limit BIGINT NULL,
                    revoked BOOLEAN NOT NULL,
                    keep_until BIGINT NOT NULL
                ) ENGINE = InnoDB"
            )),
            load: text(format!("SELECT {COLUMNS} FROM `{table}` WHERE id = ?")),
            create: text(format!(
                "REPLACE INTO `{table}` ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
            )),
            begin: text(format!(
                "INSERT IGNORE INTO `{table}` ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
            )),
            touch: text(format!(
                "UPDATE `{table}` SET last_activity = ?, keep_until = GREATEST(keep_until, ?)
                WHERE id = ? AND NOT revoked
                    AND created_at = ? AND idle_limit <=> ? AND absolute_limit <=> ?
                    AND last_activity BETWEEN ? AND ?"
            )),
            revoke: text(format!(
                "UPDATE `{table}` SET revoked = TRUE, keep_until = GREATEST(keep_until, ?) WHERE id = ?"
            )),
            load_many: text(format!(
                "SELECT {COLUMNS} FROM {keys} AS wanted STRAIGHT_JOIN `{table}` ON id = UNHEX(wanted.hex)"
            )),
            // Straight, so that rows are found by their keys, and locked in the order of the document.
            touch_many: text(format!(
                "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
                    id CHAR(32) PATH '$.id',
                    moves_to BIGINT PATH '$.moves_to',
                    keep_until BIGINT PATH '$.keep_until',
                    created_at BIGINT PATH '$.created_at',
                    idle_limit BIGINT PATH '$.idle_limit',
                    absolute_limit BIGINT PATH '$.absolute_limit',
                    seen BIGINT PATH '$.seen',
                    stale_until BIGINT PATH '$.stale_until'
                )) AS due STRAIGHT_JOIN `{table}` AS stored ON stored.id = UNHEX(due.id)
                SET stored.last_activity = due.moves_to,
                    stored.keep_until = GREATEST(stored.keep_until, due.keep_until)
                WHERE NOT stored.revoked
                    AND stored.created_at = due.created_at
                    AND stored.idle_limit <=> due.idle_limit
                    AND stored.absolute_limit <=> due.absolute_limit
                    AND stored.last_activity BETWEEN due.seen AND due.stale_until"
            )),
            page: text(format!(
                "SELECT {COLUMNS} FROM `{table}` WHERE id > ? ORDER BY id LIMIT ?"
            )),
            remove: text(format!(
                "DELETE stored FROM {keys} AS ended STRAIGHT_JOIN `{table}` AS stored ON stored.id = UNHEX(ended.hex)
                WHERE stored.keep_until <= ?"
            )),
        }
    }

    async fn run_script(
        connection: &mut MySqlConnection,
        script: SqlStr,
    ) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(script).execute(connection).await?;
        Ok(())
    }

    async fn fetch(
        connection: &mut MySqlConnection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let rows = query::<Self>(statement, values)
            .fetch_all(connection)
            .await?;
        rows.into_iter().map(row).collect()
    }

    async fn execute(
        connection: &mut MySqlConnection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> Result<u64, sqlx::Error> {
        let done = query::<Self>(statement, values).execute(connection).await?;
        Ok(done.rows_affected())
    }

    fn revocations(_: &Pool<Self>, _: &TableName) -> Revocations {
        Revocations::never()
    }
}
