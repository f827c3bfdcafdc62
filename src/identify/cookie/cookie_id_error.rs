//! The error of a cookie that no browser would keep.

use std::error::Error;
use std::fmt;

/// The error of a cookie that no browser would keep.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieIdError {
    /// The name is empty or has a character that a cookie's name must not have.
    Name(String),
    /// The path or domain is empty or has a character that would end it.
    Attribute(String),
    /// A `__Host-` cookie has the path `/` and no domain.
    HostPrefix,
}

impl fmt::Display for CookieIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "{name:?} cannot be a cookie's name: use letters, digits, `-` and `_`"
            ),
            Self::Attribute(value) => write!(
                f,
                "{value:?} cannot be a cookie's path or domain: it must not be empty or contain `;` or control characters"
            ),
            Self::HostPrefix => f.write_str(
                "browsers keep a `__Host-` cookie only with the path `/` and no domain: leave both out, or rename the cookie",
            ),
        }
    }
}

impl Error for CookieIdError {}
