//! The error of the store in Redis.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use redis::{RedisError, ServerErrorKind};

/// The error of a [`RedisStore`](crate::RedisStore).
///
/// Its text says what went wrong and what to do. The client's own error, where there is one, is the
/// [`source`](Error::source). Neither shows credentials.
#[derive(Clone, Debug)]
pub struct RedisStoreError(ErrorKind);

#[derive(Clone, Debug)]
enum ErrorKind {
    Address(&'static str),
    Refused(RedisError),
    Unreachable(RedisError),
    TimedOut(Duration),
    Malformed(String),
    NotReplicated { confirmed: usize, wanted: usize },
}

impl RedisStoreError {
    /// Returns whether the server did not answer within the deadline.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, ErrorKind::TimedOut(_))
    }

    /// Returns whether the record is malformed.
    pub(super) fn is_malformed(&self) -> bool {
        matches!(self.0, ErrorKind::Malformed(_))
    }

    /// Returns whether the connection leads to no server that can serve as the master.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self.0, ErrorKind::Unreachable(_))
    }

    /// Returns whether the server wants all keys of a command in one slot.
    pub(super) fn is_cross_slot(&self) -> bool {
        const CROSS_SLOT: redis::ErrorKind = redis::ErrorKind::Server(ServerErrorKind::CrossSlot);
        matches!(&self.0, ErrorKind::Refused(error) if error.kind() == CROSS_SLOT)
    }

    /// Returns whether the session is revoked, and too few replicas have confirmed it.
    pub(super) fn is_not_replicated(&self) -> bool {
        matches!(self.0, ErrorKind::NotReplicated { .. })
    }

    /// Creates the error for a URL that cannot be used. The text must not repeat any of the URL.
    pub(super) const fn address(what: &'static str) -> Self {
        Self(ErrorKind::Address(what))
    }

    pub(super) fn refused(error: RedisError) -> Self {
        Self(ErrorKind::Refused(error))
    }

    pub(super) fn unreachable(error: RedisError) -> Self {
        Self(ErrorKind::Unreachable(error))
    }

    pub(super) fn timed_out(deadline: Duration) -> Self {
        Self(ErrorKind::TimedOut(deadline))
    }

    pub(super) fn malformed(key: String) -> Self {
        Self(ErrorKind::Malformed(key))
    }

    pub(super) fn not_replicated(confirmed: usize, wanted: usize) -> Self {
        Self(ErrorKind::NotReplicated { confirmed, wanted })
    }
}

impl From<RedisError> for RedisStoreError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            redis::ErrorKind::Io
            | redis::ErrorKind::ClusterConnectionNotFound
            | redis::ErrorKind::MasterNameNotFoundBySentinel
            | redis::ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::TryAgain,
            ) => Self::unreachable(error),
            _ => Self::refused(error),
        }
    }
}

impl fmt::Display for RedisStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ErrorKind::Address(what) => {
                write!(f, "the address of the Redis server cannot be used: {what}")
            }
            ErrorKind::Refused(error) => f.write_str(cause(error)),
            ErrorKind::Unreachable(_) => f.write_str(
                "the Redis server cannot be reached: check that it runs, and the address; the \
                 store goes on trying to connect",
            ),
            ErrorKind::TimedOut(deadline) => write!(
                f,
                "the Redis server did not answer within {deadline:?}: check its load and the \
                 network, or allow more time with `RedisStore::builder().with_deadline(…)`"
            ),
            ErrorKind::Malformed(key) => write!(
                f,
                "the value of `{key}` is not a session record: another program or a newer version \
                 of this crate writes under this prefix; choose another prefix with \
                 `RedisStore::builder().with_key_prefix(…)`"
            ),
            ErrorKind::NotReplicated { confirmed, wanted } => write!(
                f,
                "the session is revoked, but only {confirmed} of {wanted} replicas confirmed it in \
                 time, so a fail-over may undo it: check the replicas, and revoke it again"
            ),
        }
    }
}

/// Returns what an error of the server means, and what to do about it.
fn cause(error: &RedisError) -> &'static str {
    if is_about_credentials(error) {
        return "the Redis server refused the credentials: check the user and the password";
    }
    match error.code() {
        Some("OOM") => {
            "the Redis server has no memory left for new sessions: raise `maxmemory`, or remove \
             other data from the server"
        }
        Some("NOREPLICAS") => {
            "the Redis server refuses to write while too few replicas follow it: check the \
             replicas, and `min-replicas-to-write`"
        }
        Some("MISCONF") => {
            "the Redis server refuses to write while it cannot save to its disk: check the disk, \
             and the server's log"
        }
        Some("NOPERM") => {
            "the Redis server refused a command: give its user the rights that the documentation \
             of `RedisStore` lists"
        }
        _ => {
            "the Redis server answered with an error: check its version (6.2 or later), the \
             credentials, and the rights of the user"
        }
    }
}

/// Returns whether the server refused the user or the password.
pub(super) fn is_about_credentials(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("WRONGPASS" | "NOAUTH"))
}

impl Error for RedisStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            ErrorKind::Refused(error) | ErrorKind::Unreachable(error) => Some(error),
            _ => None,
        }
    }
}
