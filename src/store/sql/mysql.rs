//! The store in MySQL and MariaDB: its connections and its statements.

use std::str::FromStr;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{MySql, MySqlPool, Pool, SqlStr};

use super::clock;
use super::dialect::{Dialect, SqlDatabase, Statements, query, row, still_applies, text};
use super::error::SqlError;
use super::pooled_connection::pool_options;
use super::row::{COLUMNS, Row};
use super::table::TableName;
use super::value::Value;
use crate::store::shared_store::Revocations;
use crate::store::sql::sql_store::SqlStore;
use crate::store::store_clock::StoreClock;

const NOW: &str = "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)";

/// Stores activity in MySQL 8.0 or later, or in MariaDB 10.6 or later.
///
/// Writes are as durable as the server is configured. With its default settings they survive a
/// power cut. Revocations are not announced.
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
/// TLS needs the cargo feature `sql-tls`, and `?ssl-mode=VERIFY_IDENTITY` in the URL.
pub type MySqlStore = SqlStore<MySql>;

impl MySqlStore {
    /// Connects to a server: `mysql://user:password@host:3306/database`. Opens at most 10
    /// connections.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is not valid, if the server cannot be reached within half a
    /// second, or if it refuses the connection.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        let options = MySqlConnectOptions::from_str(url)?;
        let pool = pool_options().connect_with(options).await?;
        Ok(Self::from_pool(pool))
    }

    /// Creates a store that uses the connections of your pool.
    ///
    /// By default, sqlx tests each connection before it is used. That costs each check a second
    /// round trip: see `PoolOptions::test_before_acquire`.
    #[must_use]
    pub fn from_pool(pool: MySqlPool) -> Self {
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

impl SqlDatabase for MySql {}

impl Dialect for MySql {
    fn statements(table: &TableName) -> Statements {
        let table = table.as_str();
        let touch_applies = still_applies("", "<=>", |_| "?".to_owned());
        let due_applies = still_applies("stored.", "<=>", |value| format!("due.{value}"));
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
                WHERE id = ? AND {touch_applies}"
            )),
            revoke: text(format!(
                "UPDATE `{table}` SET revoked = TRUE, keep_until = GREATEST(keep_until, ?) WHERE id = ?"
            )),
            load_many: text(format!(
                "SELECT {COLUMNS} FROM {keys} AS wanted STRAIGHT_JOIN `{table}` ON id = UNHEX(wanted.hex)"
            )),
            // The straight join finds the rows by their keys, and locks them in the order of the
            // document, so that two nodes never deadlock.
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
                WHERE {due_applies}"
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
