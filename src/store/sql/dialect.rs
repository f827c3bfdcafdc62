//! The trait that each database implements, and the statements that it writes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, ColumnIndex, Database, Decode, SqlSafeStr, SqlStr, Type};

use super::call::Call;
use super::error::Consequence;
use super::log_row::LogRow;
use super::row::{COLUMNS, Row};
use super::settings::Settings;
use super::users::link_row::LinkRow;
use super::users::statements::UserStatements;
use super::value::Value;

/// Marks the databases that `SqlStore` supports: sqlx's `Sqlite`, `Postgres` and `MySql`.
///
/// It is sealed: other crates cannot implement it.
pub trait SqlDatabase: Dialect {}

/// How a database runs the statements of a store.
pub trait Dialect: Database {
    /// What events call this kind of store.
    const STORE: &'static str;

    /// Writes the statements for the table of these settings.
    fn statements(settings: &Settings) -> Statements;

    /// Sets the time limits and the isolation level of a new connection, for operations with this
    /// time limit.
    fn set_up(
        connection: &mut Self::Connection,
        limit: Duration,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Writes a statement as a text that carries its values, time limit and isolation level.
    fn text_call<'a>(limit: Duration, statement: &'a SqlStr, values: &'a [Value]) -> Call<'a>;

    /// Runs a statement that reads rows.
    fn fetch(
        connection: &mut Self::Connection,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, sqlx::Error>> + Send;

    /// Runs the statement that reads the log of changes.
    fn log(
        connection: &mut Self::Connection,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Vec<LogRow>, sqlx::Error>> + Send;

    /// Runs a statement that reads links of sessions to users.
    fn links(
        connection: &mut Self::Connection,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Vec<LinkRow>, sqlx::Error>> + Send;

    /// Runs a statement that returns one number, or nothing.
    fn number(
        connection: &mut Self::Connection,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Option<i64>, sqlx::Error>> + Send;

    /// Runs a statement that writes. Returns the number of rows that matched.
    ///
    /// The write survives the end of this process. A power cut may undo it. That is harmless: a
    /// lost touch can only end a session early, and a lost removal is done again.
    fn execute(
        connection: &mut Self::Connection,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a statement that writes. Returns after the write survives a power cut.
    ///
    /// Revocations need this: a revoked session must not be live again after a power cut. Databases
    /// whose statements say themselves how durable they are need no implementation.
    fn execute_durably(
        connection: &mut Self::Connection,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send {
        Self::execute(connection, call)
    }

    /// Returns what an error of this database means, where its SQLSTATE does not say it.
    fn consequence(error: &dyn DatabaseError) -> Consequence;
}

/// The statements of a store. Each comment lists the values that the statement takes.
#[derive(Debug)]
pub struct Statements {
    /// A script that creates the table if it is missing.
    pub(super) migrate: SqlStr,
    /// Key. Returns its row.
    pub(super) load: SqlStr,
    /// The values of a row. Replaces an existing row.
    pub(super) create: SqlStr,
    /// The values of a row. Writes nothing if the row exists.
    pub(super) begin: SqlStr,
    /// The values of a due touch, in the order of `DueTouch::values`.
    pub(super) touch: SqlStr,
    /// The values of `row::changed`. Writes nothing if the row has changed by anything but
    /// activity.
    pub(super) change: SqlStr,
    /// The time of removal, key.
    pub(super) revoke: SqlStr,
    /// The values of `log_row::values`. Returns the rows that are logged until a time between the
    /// two, or one row without a change.
    pub(super) log: SqlStr,
    /// A document of keys. Returns their rows.
    pub(super) load_many: SqlStr,
    /// A document of due touches.
    pub(super) touch_many: SqlStr,
    /// The last key of the page before, row count. Returns the next rows in the order of their
    /// keys.
    pub(super) page: SqlStr,
    /// A document of keys, the time now. Removes the rows whose time of removal has come.
    pub(super) remove: SqlStr,
    /// No values. Returns the time of the database in milliseconds.
    pub(super) now: SqlStr,
    /// Sweeper, the milliseconds for which it sweeps. Makes it the only sweeper, if there is no
    /// other.
    pub(super) claim_sweep: SqlStr,
    /// Sweeper. Returns the time of the database, if it is the only sweeper.
    pub(super) sweep_time: SqlStr,
    /// The statements on the links of sessions to users.
    pub(super) users: UserStatements,
}

/// Marks SQL text as safe. It must consist of literals and a
/// [`TableName`](super::table::TableName).
pub(super) fn text(sql: String) -> SqlStr {
    AssertSqlSafe(Arc::<str>::from(sql)).into_sql_str()
}

/// Writes the condition under which a touch still applies to the row that is stored.
///
/// A touch reads the row, decides, and writes. Another node may write in between. The touch is
/// still right if the row is the same session (same creation time and limits), is not revoked, and
/// its last activity has not moved back. The row may have become more active: activity only moves
/// the end of a session away, so a session that was live when it was read is live now.
/// `stale_until` is the latest last activity that this touch moves, so that a touch that is not due
/// any more writes nothing.
///
/// `stored` is the prefix of the stored columns. `same` is the operator for equality that treats
/// two `NULL`s as equal. `value` returns the SQL of a value: `created_at`, `idle_limit`,
/// `absolute_limit`, `seen` or `stale_until`.
pub(super) fn still_applies(
    stored: &str,
    same: &str,
    value: impl Fn(&'static str) -> String,
) -> String {
    format!(
        "NOT {stored}revoked \
         AND {stored}created_at = {created_at} \
         AND {stored}idle_limit {same} {idle_limit} \
         AND {stored}absolute_limit {same} {absolute_limit} \
         AND {stored}last_activity BETWEEN {seen} AND {stale_until}",
        created_at = value("created_at"),
        idle_limit = value("idle_limit"),
        absolute_limit = value("absolute_limit"),
        seen = value("seen"),
        stale_until = value("stale_until"),
    )
}

/// Writes something for each column of a record, with commas between.
pub(super) fn each_column(write: impl Fn(&str) -> String) -> String {
    let columns: Vec<_> = COLUMNS.split(", ").map(write).collect();
    columns.join(", ")
}

/// Writes the condition under which a change still applies to the row that is stored: it is the
/// same session, and has changed by nothing but activity since it was read.
///
/// `same` is the operator for equality that treats two `NULL`s as equal. `values` are the SQL of
/// the values: the time of creation, the two limits, when the id was replaced, and the next id.
pub(super) fn is_unchanged(same: &str, values: [&str; 5]) -> String {
    let [created_at, idle_limit, absolute_limit, replaced_at, next_id] = values;
    format!(
        "NOT revoked \
         AND created_at = {created_at} \
         AND idle_limit {same} {idle_limit} \
         AND absolute_limit {same} {absolute_limit} \
         AND replaced_at {same} {replaced_at} \
         AND next_id = {next_id}"
    )
}

/// Reads a row whose columns are in the order of [`COLUMNS`](super::row::COLUMNS).
pub(super) fn row<R: sqlx::Row>(row: R) -> Result<Row, sqlx::Error>
where
    usize: ColumnIndex<R>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> bool: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(Row {
        id: row.try_get(0)?,
        created_at: row.try_get(1)?,
        last_activity: row.try_get(2)?,
        idle_limit: row.try_get(3)?,
        absolute_limit: row.try_get(4)?,
        revoked: row.try_get(5)?,
        keep_until: row.try_get(6)?,
        replaced_at: row.try_get(7)?,
        next_id: row.try_get(8)?,
    })
}
