//! The store in MySQL and MariaDB: its connections and its statements.

use std::str::FromStr;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{ConnectOptions, MySql, MySqlPool, Row as _, SqlStr};

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

/// The time in milliseconds since 1970, at the start of the statement.
///
/// It is counted from the time in UTC. A local time, as of `NOW()` or `SYSDATE()`, stands for two
/// times in the night in which summer time ends.
const NOW: &str = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)";

/// The largest number of connections, unless the URL sets it.
const CONNECTIONS: u32 = 10;

/// Stores activity in MySQL 8.0 or later, or in MariaDB 10.6 or later.
///
/// The tests of this crate run against a real MariaDB. Of MySQL 8 they have the log-in alone,
/// played by the test. Run the suite of the feature `conformance` against your MySQL server.
///
/// Writes are as durable as the server is configured. With its default settings they survive a
/// power cut.
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
    /// Connects to a server: `mysql://user:password@host:3306/database`.
    ///
    /// These parameters of the URL set how the store works. The others are those of sqlx.
    ///
    /// | parameter | sets | default |
    /// |---|---|---|
    /// | `pool` | the largest number of connections | `10` |
    /// | `timeout` | the time limit of an operation, such as `500ms` or `2s` | `1s` |
    /// | `table` | the name of the table | `session_activity` |
    /// | `persistent-statements` | `no` for a proxy that keeps no prepared statements | `yes` |
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is not valid, if the server cannot be reached within half the
    /// time limit, or if it refuses the connection.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        let (settings, url) = Settings::from_url(url)?;
        let mut options = MySqlConnectOptions::from_str(&url)?;
        if settings.protocol == Protocol::Text {
            // A text holds session keys, so sqlx must not log it.
            options = options.disable_statement_logging();
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
    /// one message that carries its values, and on MariaDB its time limit. A connection is closed
    /// only if it is lost.
    ///
    /// By default, sqlx tests each connection before it is used. That costs each check a second
    /// round trip: see `PoolOptions::test_before_acquire`. If sqlx logs the statements of your
    /// pool, it logs session keys.
    #[must_use]
    pub fn from_pool(pool: MySqlPool) -> Self {
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

impl SqlDatabase for MySql {}

impl Dialect for MySql {
    const STORE: &'static str = "mysql";

    fn statements(settings: &Settings) -> Statements {
        let table = settings.table.as_str();
        let logged_until = format!("{NOW} + {}", settings.logged_for().as_millis());
        let new_values = each_column(|column| format!("{column} = VALUES({column})"));
        let touch_applies = still_applies("", "<=>", |_| "?".to_owned());
        let due_applies = still_applies("stored.", "<=>", |value| format!("due.{value}"));
        let keys = "JSON_TABLE(?, '$[*]' COLUMNS (hex CHAR(32) PATH '$'))";
        let unchanged = is_unchanged("<=>", ["?"; 5]);
        Statements {
            // The index of the log holds the sessions that have never changed too, all under NULL:
            // there are no partial indexes. No touch changes it.
            migrate: text(format!(
                "CREATE TABLE IF NOT EXISTS `{table}` (
                    id BINARY(16) NOT NULL PRIMARY KEY,
                    created_at BIGINT NOT NULL,
                    last_activity BIGINT NOT NULL,
                    idle_limit BIGINT NULL,
                    absolute_limit BIGINT NULL,
                    revoked BOOLEAN NOT NULL,
                    keep_until BIGINT NOT NULL,
                    replaced_at BIGINT NULL,
                    next_id VARBINARY(16) NOT NULL,
                    logged_until BIGINT NULL,
                    KEY `{table}_logged_until` (logged_until)
                ) ENGINE = InnoDB;
                CREATE TABLE IF NOT EXISTS `{table}_sweep` (
                    id BIGINT NOT NULL PRIMARY KEY,
                    sweeper BIGINT NOT NULL,
                    held_until BIGINT NOT NULL
                ) ENGINE = InnoDB"
            )),
            load: text(format!("SELECT {COLUMNS} FROM `{table}` WHERE id = ?")),
            create: text(format!(
                "INSERT INTO `{table}` ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON DUPLICATE KEY UPDATE {new_values}, logged_until = {logged_until}"
            )),
            begin: text(format!(
                "INSERT IGNORE INTO `{table}` ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            )),
            touch: text(format!(
                "UPDATE `{table}` SET last_activity = ?, keep_until = GREATEST(keep_until, ?)
                WHERE id = ? AND {touch_applies}"
            )),
            change: text(format!(
                "UPDATE `{table}` SET idle_limit = ?, absolute_limit = ?, replaced_at = ?, next_id = ?,
                    keep_until = GREATEST(keep_until, ?), logged_until = {logged_until}
                WHERE id = ? AND {unchanged}"
            )),
            revoke: text(format!(
                "UPDATE `{table}` SET revoked = TRUE, keep_until = GREATEST(keep_until, ?),
                    logged_until = {logged_until}
                WHERE id = ?"
            )),
            // Servers of which one can take over from another have different ids. The nodes of a
            // Galera cluster may have one id: a pool of connections can lead to all of them.
            log: text(format!(
                "SELECT answer.now, answer.server, changed.id
                FROM (SELECT {NOW} AS now, CAST(@@server_id AS SIGNED) AS server) AS answer
                LEFT JOIN (
                    SELECT id FROM `{table}` WHERE logged_until > ? AND logged_until < ? LIMIT {READ_ROWS}
                ) AS changed ON TRUE"
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
            now: text(format!("SELECT {NOW}")),
            // Assignments take effect one after the other: the second sees the new sweeper.
            claim_sweep: text(format!(
                "INSERT INTO `{table}_sweep` (id, sweeper, held_until) VALUES (1, ?, {NOW} + ?)
                ON DUPLICATE KEY UPDATE
                    sweeper = IF(sweeper = VALUES(sweeper) OR held_until <= {NOW}, VALUES(sweeper), sweeper),
                    held_until = IF(sweeper = VALUES(sweeper), VALUES(held_until), held_until)"
            )),
            sweep_time: text(format!(
                "SELECT {NOW} FROM `{table}_sweep` WHERE id = 1 AND sweeper = ?"
            )),
            users: users::mysql::statements(table, NOW, &logged_until),
        }
    }

    async fn set_up(connection: &mut MySqlConnection, limit: Duration) -> Result<(), sqlx::Error> {
        let limit = statement_timeout(limit);
        let (seconds, lock) = (limit.as_secs_f64(), whole_seconds(limit));
        let millis = limit.as_millis();
        // Each server has its own variable for the time of a statement, and refuses that of the
        // other. MariaDB runs the comment that begins with `M!`, and skips those of the versions
        // 50700 to 50999, which MySQL runs. MySQL's variable is for reads; its writes wait for
        // locks only.
        let settings = text(format!(
            "SET SESSION autocommit = 1; \
             SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
             SET SESSION innodb_lock_wait_timeout = {lock}, SESSION lock_wait_timeout = {lock} \
             /*M! , SESSION max_statement_time = {seconds} */ \
             /*!50708 , SESSION max_execution_time = {millis} */"
        ));
        sqlx::raw_sql(settings).execute(connection).await?;
        Ok(())
    }

    /// The isolation level is that of one transaction, and the limits are those of one statement.
    fn text_call<'a>(limit: Duration, statement: &'a SqlStr, values: &'a [Value]) -> Call<'a> {
        let (seconds, lock) = (limit.as_secs_f64(), whole_seconds(limit));
        let preamble = format!(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; \
             /*M! SET STATEMENT max_statement_time = {seconds}, innodb_lock_wait_timeout = {lock}, \
             lock_wait_timeout = {lock} FOR */ "
        );
        Call::text(&preamble, statement, values, |hex| format!("x'{hex}'"))
    }

    async fn fetch(
        connection: &mut MySqlConnection,
        call: &Call<'_>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.into_iter().map(row).collect()
    }

    async fn log(
        connection: &mut MySqlConnection,
        call: &Call<'_>,
    ) -> Result<Vec<LogRow>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.into_iter().map(log_row).collect()
    }

    async fn links(
        connection: &mut MySqlConnection,
        call: &Call<'_>,
    ) -> Result<Vec<LinkRow>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.into_iter().map(link_row).collect()
    }

    async fn number(
        connection: &mut MySqlConnection,
        call: &Call<'_>,
    ) -> Result<Option<i64>, sqlx::Error> {
        let rows = rows(connection, call).await?;
        rows.first().map(|row| row.try_get(0)).transpose()
    }

    async fn execute(
        connection: &mut MySqlConnection,
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

    fn consequence(error: &dyn DatabaseError) -> Consequence {
        let error = error.try_downcast_ref::<MySqlDatabaseError>();
        match error.map(MySqlDatabaseError::number) {
            // The server was started, set or told to be read-only: it became a replica.
            Some(1290 | 1792 | 1836) => Consequence::CloseAll,
            _ => Consequence::Keep,
        }
    }
}

async fn rows(
    connection: &mut MySqlConnection,
    call: &Call<'_>,
) -> Result<Vec<MySqlRow>, sqlx::Error> {
    match call {
        Call::Prepared(statement, values) => {
            let query = query::<MySql>(statement, values);
            query.fetch_all(connection).await
        }
        Call::Text(text) => sqlx::raw_sql(text.clone()).fetch_all(connection).await,
    }
}

/// Returns a time limit in whole seconds, at least one. Limits for locks have no smaller unit.
fn whole_seconds(limit: Duration) -> u64 {
    limit.as_millis().div_ceil(1000).max(1) as u64
}
