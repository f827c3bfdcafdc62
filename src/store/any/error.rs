//! Why can the store not be used that a text names?

use std::error::Error;
use std::fmt;

use crate::store::BoxError;

/// A text names no store, or one that cannot be used. It says what to do, and shows nothing of the text but its scheme.
#[derive(Debug)]
pub struct AnyStoreError(Problem);

#[derive(Debug)]
enum Problem {
    Unknown(Option<String>),
    Refused(&'static str),
    Failed(BoxError),
}

impl AnyStoreError {
    /// A text that begins with no known scheme. Only what certainly is a scheme is shown: it could be a password.
    pub(super) fn unknown(url: &str) -> Self {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let scheme = scheme.filter(|scheme| scheme.len() <= 32 && scheme.chars().all(is_plain));
        Self(Problem::Unknown(scheme.map(str::to_owned)))
    }

    /// An error that is said in full: what is wrong, and what to do.
    pub(super) const fn refused(why: &'static str) -> Self {
        Self(Problem::Refused(why))
    }

    pub(super) fn failed(error: impl Into<BoxError>) -> Self {
        Self(Problem::Failed(error.into()))
    }
}

impl fmt::Display for AnyStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Problem::Unknown(scheme) => {
                match scheme {
                    Some(scheme) => write!(f, "`{scheme}` names no store")?,
                    None => f.write_str("the text names no store")?,
                }
                f.write_str(
                    ": begin it with `memory:`, `sqlite:`, `postgres://`, `mysql://`, `redis://`, `redis+sentinel://` \
                     or `redis+cluster://`",
                )
            }
            Problem::Refused(why) => f.write_str(why),
            Problem::Failed(error) => error.fmt(f),
        }
    }
}

impl Error for AnyStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            // It has been shown in our place.
            Problem::Failed(error) => error.source(),
            _ => None,
        }
    }
}
