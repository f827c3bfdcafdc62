//! A statement with its values, as a prepared statement or as text.

use sqlx::{Arguments, Database, Encode, SqlStr, Type};

use super::value::Value;

/// A statement with its values.
///
/// It is public because a trait that bounds a public type names it. Other crates cannot name it.
#[derive(Debug)]
pub enum Call<'a> {
    /// A statement that the connection prepares once, and its values.
    Prepared(&'a SqlStr, &'a [Value]),
    /// A text that holds the values, after the text that sets the limits of the statement.
    Text(SqlStr),
}

impl<'a> Call<'a> {
    pub(super) fn prepared(statement: &'a SqlStr, values: &'a [Value]) -> Self {
        Self::Prepared(statement, values)
    }
}

/// Builds a query from a prepared statement and its values.
pub(super) fn query<'q, DB: Database>(
    statement: &SqlStr,
    values: &'q [Value],
) -> sqlx::query::Query<'q, DB, DB::Arguments>
where
    DB::Arguments: Arguments<Database = DB>,
    &'q [u8]: Encode<'q, DB> + Type<DB>,
    i64: Encode<'q, DB> + Type<DB>,
    Option<i64>: Encode<'q, DB> + Type<DB>,
    bool: Encode<'q, DB> + Type<DB>,
    &'q str: Encode<'q, DB> + Type<DB>,
{
    let unbound = sqlx::query::<DB>(statement.clone());
    values.iter().fold(unbound, |query, value| match value {
        Value::Bytes(bytes) => query.bind(bytes.as_slice()),
        Value::Number(number) => query.bind(*number),
        Value::OptionalNumber(number) => query.bind(*number),
        Value::Flag(flag) => query.bind(*flag),
        Value::Document(document) => query.bind(document.as_str()),
    })
}
