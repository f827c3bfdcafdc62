//! What differs from one database to another?

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use sqlx::{
    Arguments, AssertSqlSafe, ColumnIndex, Database, Decode, Encode, Pool, SqlSafeStr, SqlStr, Type,
};

use super::row::Row;
use super::table::TableName;
use crate::session::key::SessionKey;
use crate::store::shared_store::Revocations;

/// A database that [`SqlStore`](super::SqlStore) can be over: sqlx's `Sqlite`, `Postgres` and `MySql`.
///
/// It is sealed: nobody else implements it.
pub trait SqlDatabase: Dialect {}

/// What a database says in its own words.
pub trait Dialect: Database {
    /// The statements over a table.
    fn statements(table: &TableName) -> Statements;

    /// Runs a script that creates the table.
    fn run_script(
        connection: &mut Self::Connection,
        script: SqlStr,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Reads rows.
    fn fetch(
        connection: &mut Self::Connection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Row>, sqlx::Error>> + Send;

    /// Writes, and answers how many rows it found to write. It outlives the end of this process. What a power cut takes
    /// with it only shortens sessions, or is done again.
    fn execute(
        connection: &mut Self::Connection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// The same, for what must outlive a power cut from the moment that it is answered: a session that was ended must
    /// not be live after it.
    ///
    /// No different where the text of a statement says how durable it is.
    fn execute_durably(
        connection: &mut Self::Connection,
        statement: &SqlStr,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send {
        Self::execute(connection, statement, values)
    }

    /// What the database announces of revocations.
    fn revocations(pool: &Pool<Self>, table: &TableName) -> Revocations;
}

/// Everything that is said to the database, with the values that each takes.
#[derive(Debug)]
pub struct Statements {
    /// A script that creates the table if there is none.
    pub(super) migrate: SqlStr,
    /// Key. Answers its row.
    pub(super) load: SqlStr,
    /// A row's values. Replaces the row that is there.
    pub(super) create: SqlStr,
    /// A row's values. Writes nothing if there is a row.
    pub(super) begin: SqlStr,
    /// The values of a [`Move`](super::batch::Move), in its order.
    pub(super) touch: SqlStr,
    /// When to remove it, key.
    pub(super) revoke: SqlStr,
    /// A document of keys. Answers their rows.
    pub(super) load_many: SqlStr,
    /// A document of moves.
    pub(super) touch_many: SqlStr,
    /// The key that came last, how many. Answers the rows that follow, in the order of their keys.
    pub(super) page: SqlStr,
    /// A document of keys, the time now. Removes those of them whose time is over.
    pub(super) remove: SqlStr,
}

/// Text that is made of literals and a [`TableName`].
pub(super) fn text(sql: String) -> SqlStr {
    AssertSqlSafe(Arc::<str>::from(sql)).into_sql_str()
}

/// What a statement is given.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A key, or none, which comes before all.
    Bytes(Vec<u8>),
    /// A time, or how many.
    Number(i64),
    /// A limit.
    OptionalNumber(Option<i64>),
    /// Whether revoked.
    Flag(bool),
    /// A JSON document.
    Document(String),
}

impl Value {
    pub(super) fn key(key: SessionKey) -> Self {
        Self::Bytes(key.to_bytes().to_vec())
    }
}

/// Shows what kind of value it is: a key is nothing for a log.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(_) => f.write_str("Bytes"),
            Self::Number(number) => write!(f, "{number}"),
            Self::OptionalNumber(number) => write!(f, "{number:?}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Document(_) => f.write_str("Document"),
        }
    }
}

/// The statement with its values.
pub(super) fn query<DB: Database>(
    statement: &SqlStr,
    values: Vec<Value>,
) -> sqlx::query::Query<'static, DB, DB::Arguments>
where
    DB::Arguments: Arguments<Database = DB>,
    for<'q> Vec<u8>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Option<i64>: Encode<'q, DB> + Type<DB>,
    for<'q> bool: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
{
    let unbound = sqlx::query::<DB>(statement.clone());
    values
        .into_iter()
        .fold(unbound, |query, value| match value {
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Number(number) => query.bind(number),
            Value::OptionalNumber(number) => query.bind(number),
            Value::Flag(flag) => query.bind(flag),
            Value::Document(document) => query.bind(document),
        })
}

/// A row in the order of [`COLUMNS`](super::row::COLUMNS).
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
    })
}
