//! What may a table be called?

use super::error::SqlError;

/// A name that can stand in SQL text between quotes of any kind.
///
/// PostgreSQL cuts names at 63 bytes, and the channel of its notifications is called after the table with a suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName(String);

const LONGEST: usize = 48;

impl TableName {
    pub(super) fn new(name: &str) -> Result<Self, SqlError> {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let begins_well = !name.starts_with(|first: char| first.is_ascii_digit());
        if plain && begins_well && (1..=LONGEST).contains(&name.len()) {
            Ok(Self(name.to_owned()))
        } else {
            Err(SqlError::refused(
                "a table's name is made of 1 to 48 ASCII letters, digits and underscores, and begins with no digit",
            ))
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TableName {
    fn default() -> Self {
        Self("session_activity".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_identifier_is_a_name() {
        for name in ["s", "_", "Sessions_2", &"n".repeat(LONGEST)] {
            assert!(TableName::new(name).is_ok(), "{name}");
        }
        assert!(TableName::new(TableName::default().as_str()).is_ok());
    }

    #[test]
    fn anything_else_is_refused() {
        let long = "n".repeat(LONGEST + 1);
        for name in [
            "", "2s", "a.b", "a b", "a\"b", "a`b", "a'b", "a;", "a\0", "ä", &long,
        ] {
            assert!(TableName::new(name).is_err(), "{name}");
        }
    }
}
