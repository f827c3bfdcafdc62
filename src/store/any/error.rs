//! Why can the store not be used that a text names?

use std::error::Error;
use std::fmt;

use crate::store::activity_store::BoxError;

/// A text names no store, or one that cannot be used. It says what to do, and shows nothing of the text but its scheme.
#[derive(Debug)]
pub struct AnyStoreError(ErrorKind);

#[derive(Debug)]
enum ErrorKind {
    Unknown(Option<String>),
    NotBuiltIn(&'static BuiltIn),
    Refused(&'static str),
    Failed(BoxError),
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
    /// A text that begins with no known scheme. Only what certainly is a scheme is shown: it could be a password.
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

    /// An error that is said in full: what is wrong, and what to do.
    pub(super) const fn refused(why: &'static str) -> Self {
        Self(ErrorKind::Refused(why))
    }

    pub(super) fn failed(error: impl Into<BoxError>) -> Self {
        Self(ErrorKind::Failed(error.into()))
    }
}

impl fmt::Display for AnyStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ErrorKind::Unknown(scheme) => {
                match scheme {
                    Some(scheme) => write!(f, "`{scheme}` names no store")?,
                    None => f.write_str("the text names no store")?,
                }
                f.write_str(
                    ": begin it with `memory:`, `sqlite:`, `postgres://`, `mysql://`, `redis://`, `redis+sentinel://` \
                     or `redis+cluster://`",
                )
            }
            ErrorKind::NotBuiltIn(BuiltIn {
                database, feature, ..
            }) => write!(
                f,
                "this program was built without {database}: build `tower-login-timeout` with the feature `{feature}`"
            ),
            ErrorKind::Refused(why) => f.write_str(why),
            ErrorKind::Failed(error) => error.fmt(f),
        }
    }
}

impl Error for AnyStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            // It has been shown in our place.
            ErrorKind::Failed(error) => error.source(),
            _ => None,
        }
    }
}
