//! The writing of values into the text of a statement.

use std::fmt::Write;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::call::Call;
use super::value::Value;

impl Call<'_> {
    /// Writes the values into the statement, in the place of its parameters. `bytes` writes a
    /// literal.
    pub(super) fn text(
        preamble: &str,
        statement: &SqlStr,
        values: &[Value],
        bytes: fn(&str) -> String,
    ) -> Self {
        let mut text = String::from(preamble);
        let mut rest = statement.as_str();
        let mut next = 0;
        while let Some(at) = rest.find(is_parameter) {
            text.push_str(&rest[..at]);
            let (parameter, after) = parameter(&rest[at..]);
            let index = match parameter {
                Parameter::Next => next,
                Parameter::Numbered(number) => number.saturating_sub(1),
                Parameter::None => usize::MAX,
            };
            match values.get(index) {
                Some(value) => write_literal(&mut text, value, bytes),
                None => text.push_str(&rest[at..rest.len() - after.len()]),
            }
            next += usize::from(matches!(parameter, Parameter::Next));
            rest = after;
        }
        text.push_str(rest);
        Self::Text(AssertSqlSafe(text).into_sql_str())
    }
}

fn is_parameter(character: char) -> bool {
    character == '?' || character == '$'
}

/// What a `?` or a `$` in a statement stands for.
#[derive(Clone, Copy)]
enum Parameter {
    /// `?`: the next value.
    Next,
    /// `$1`: the value with this number. The first is 1.
    Numbered(usize),
    /// No parameter: the `$` of a JSON path.
    None,
}

/// Reads the `?` or the `$` at the beginning of a text. Returns the text after it too.
fn parameter(text: &str) -> (Parameter, &str) {
    let after = &text[1..];
    if text.starts_with('?') {
        return (Parameter::Next, after);
    }
    let end = after.find(|c: char| !c.is_ascii_digit());
    let (digits, after) = after.split_at(end.unwrap_or(after.len()));
    match digits.parse() {
        Ok(number) => (Parameter::Numbered(number), after),
        Err(_) => (Parameter::None, after),
    }
}

/// Appends the literal of a value.
///
/// Nothing has to be escaped: a document holds digits, hexadecimal digits and fixed names only.
fn write_literal(text: &mut String, value: &Value, bytes: fn(&str) -> String) {
    let _ = match value {
        Value::Bytes(value) => write!(text, "{}", bytes(&hex(value))),
        Value::Number(number) | Value::OptionalNumber(Some(number)) => write!(text, "{number}"),
        Value::OptionalNumber(None) => write!(text, "NULL"),
        Value::Flag(true) => write!(text, "TRUE"),
        Value::Flag(false) => write!(text, "FALSE"),
        Value::Document(document) => write!(text, "'{document}'"),
    };
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(statement: &'static str, values: &[Value]) -> String {
        let statement = statement.into_sql_str();
        match Call::text("SET a; ", &statement, values, |hex| format!("x'{hex}'")) {
            Call::Text(text) => text.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_stand_in_the_place_of_numbered_parameters() {
        let values: Vec<_> = (1..=11).map(Value::Number).collect();
        assert_eq!(text("$2 = $1, $11 < $1", &values), "SET a; 2 = 1, 11 < 1");
    }

    #[test]
    fn values_stand_in_the_place_of_plain_parameters_and_json_paths_stay() {
        let values = [
            Value::Document(r#"["00ff"]"#.to_owned()),
            Value::Bytes(vec![0, 255]),
            Value::OptionalNumber(None),
            Value::Flag(true),
        ];
        assert_eq!(
            text("f(?, '$[*]' PATH '$.id') ? ? ?", &values),
            r#"SET a; f('["00ff"]', '$[*]' PATH '$.id') x'00ff' NULL TRUE"#
        );
    }
}
