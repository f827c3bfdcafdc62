//! The name of a table.

use super::error::SqlError;

/// A table name that is safe between quotes of any kind in SQL text.
///
/// PostgreSQL cuts names at 63 bytes. The index has the name of the table plus a suffix, so a table
/// name must be shorter than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableName(String);

const MAX_LENGTH: usize = 48;

impl TableName {
    pub(super) fn new(name: &str) -> Result<Self, SqlError> {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let begins_well = !name.starts_with(|first: char| first.is_ascii_digit());
        if plain && begins_well && (1..=MAX_LENGTH).contains(&name.len()) {
            Ok(Self(name.to_owned()))
        } else {
            Err(SqlError::refused(
                "the table name is not valid: use 1 to 48 ASCII letters, digits and underscores, and \
                 do not begin with a digit",
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
    fn plain_identifiers_are_accepted() {
        for name in ["s", "_", "Sessions_2", &"n".repeat(MAX_LENGTH)] {
            assert!(TableName::new(name).is_ok(), "{name}");
        }
        assert!(TableName::new(TableName::default().as_str()).is_ok());
    }

    #[test]
    fn other_names_are_refused() {
        let long = "n".repeat(MAX_LENGTH + 1);
        for name in [
            "", "2s", "a.b", "a b", "a\"b", "a`b", "a'b", "a;", "a\0", "ä", &long,
        ] {
            assert!(TableName::new(name).is_err(), "{name}");
        }
    }
}
