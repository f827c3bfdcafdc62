//! The values that SQL statements take.

use std::fmt;

use crate::session::key::SessionKey;

/// A value of a statement.
///
/// It is public because a trait that bounds a public type names it. Other crates cannot name it.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A key, or no bytes, which sort before every key.
    Bytes(Vec<u8>),
    /// A time in milliseconds, or a count.
    Number(i64),
    /// A limit in milliseconds.
    OptionalNumber(Option<i64>),
    /// Whether the session is revoked.
    Flag(bool),
    /// A JSON document.
    Document(String),
}

impl Value {
    pub(super) fn key(key: SessionKey) -> Self {
        Self::Bytes(key.to_bytes().to_vec())
    }
}

/// Shows the kind of a value that holds keys, so that no key reaches a log.
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
