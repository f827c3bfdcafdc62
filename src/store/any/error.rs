//! The error of a store that is chosen by a URL.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::store::activity_store::BoxError;

/// Says why a URL cannot be used, or why its store does not answer, and what to do.
///
/// It shows the scheme of the URL and nothing else, because the rest may hold a password.
#[derive(Debug)]
pub struct AnyStoreError(ErrorKind);

#[derive(Debug)]
enum ErrorKind {
    Unknown(Option<String>),
    NotBuiltIn(&'static BuiltIn),
    Refused(&'static str),
    Failed(BoxError),
    NotConnected {
        kind: &'static str,
        failure: Option<Arc<AnyStoreError>>,
    },
}

/// A kind of store that a feature adds.
#[derive(Debug)]
struct BuiltIn {
    schemes: &'static [&'static str],
    database: &'static str,
    feature: &'static str,
}

const BUILT_IN: [BuiltIn; 4] = [
    BuiltIn {
        schemes: &["sqlite"],
        database: "SQLite",
        feature: "sqlite",
    },
    BuiltIn {
        schemes: &["postgres", "postgresql"],
        database: "PostgreSQL",
        feature: "postgres",
    },
    BuiltIn {
        schemes: &["mysql", "mariadb"],
        database: "MySQL and MariaDB",
        feature: "mysql",
    },
    BuiltIn {
        schemes: &[
            "redis",
            "redis+sentinel",
            "redis+cluster",
            "rediss",
            "rediss+sentinel",
            "rediss+cluster",
            "redis+unix",
            "valkey",
            "valkey+sentinel",
            "valkey+cluster",
            "valkey+unix",
            "valkeys",
            "valkeys+sentinel",
            "valkeys+cluster",
        ],
        database: "Redis and Valkey",
        feature: "redis",
    },
];

impl AnyStoreError {
    /// Creates the error of a URL whose scheme is not known. It shows the scheme only if it surely
    /// is one: a text without a scheme could be a password.
    pub(super) fn unknown(url: &str) -> Self {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let names = |store: &&BuiltIn| store.schemes.contains(&scheme);
        if let Some(store) = BUILT_IN.iter().find(names) {
            return Self(ErrorKind::NotBuiltIn(store));
        }
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let scheme = scheme.filter(|scheme| scheme.len() <= 32 && scheme.chars().all(is_plain));
        Self(ErrorKind::Unknown(scheme.map(str::to_owned)))
    }

    /// Creates an error from a text that says what is wrong and what to do.
    pub(super) const fn refused(why: &'static str) -> Self {
        Self(ErrorKind::Refused(why))
    }

    pub(super) fn failed(error: impl Into<BoxError>) -> Self {
        match error.into().downcast() {
            Ok(error) => *error,
            Err(error) => Self(ErrorKind::Failed(error)),
        }
    }

    pub(super) const fn not_connected(
        kind: &'static str,
        failure: Option<Arc<AnyStoreError>>,
    ) -> Self {
        Self(ErrorKind::NotConnected { kind, failure })
    }
}

impl fmt::Display for AnyStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ErrorKind::Unknown(scheme) => {
                match scheme {
                    Some(scheme) => write!(f, "`{scheme}` names no store")?,
                    None => f.write_str("the URL names no store")?,
                }
                f.write_str(
                    ": begin it with `memory:`, `sqlite:`, `postgres://`, `mysql://`, `redis://`, \
                     `redis+sentinel://` or `redis+cluster://`",
                )
            }
            ErrorKind::NotBuiltIn(BuiltIn {
                database, feature, ..
            }) => write!(
                f,
                "this program was built without {database}: build `tower-login-timeout` with the \
                 feature `{feature}`"
            ),
            ErrorKind::Refused(why) => f.write_str(why),
            ErrorKind::Failed(error) => error.fmt(f),
            ErrorKind::NotConnected { kind, .. } => write!(
                f,
                "the {kind} store is not connected yet: see the source of this error; the next \
                 attempt follows in the background"
            ),
        }
    }
}

impl Error for AnyStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            // `Display` shows this error itself.
            ErrorKind::Failed(error) => error.source(),
            ErrorKind::NotConnected {
                failure: Some(failure),
                ..
            } => Some(&**failure),
            _ => None,
        }
    }
}
