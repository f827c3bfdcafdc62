//! What went wrong, and what is to be done?

use std::error::Error;
use std::fmt;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why [`RedisStore`](crate::RedisStore) failed.
///
/// The client's own error, where there is one, is the [`source`](Error::source). Neither shows credentials.
#[derive(Clone, Debug)]
pub struct RedisStoreError(Failure);

#[derive(Clone, Debug)]
enum Failure {
    Address(&'static str),
    Refused(RedisError),
    Away(RedisError),
    TimedOut(Duration),
    Malformed(String),
    NotReplicated { confirmed: usize, wanted: usize },
}

impl RedisStoreError {
    /// Whether the server did not answer in time, rather than answering with an error.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, Failure::TimedOut(_))
    }

    /// Whether it is about the record alone.
    pub(super) fn is_malformed(&self) -> bool {
        matches!(self.0, Failure::Malformed(_))
    }

    /// Whether the server answered, and would not do it.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.0, Failure::Refused(_))
    }

    /// Whether one command may not have all these keys.
    pub(super) fn is_cross_slot(&self) -> bool {
        const CROSS_SLOT: ErrorKind = ErrorKind::Server(ServerErrorKind::CrossSlot);
        matches!(&self.0, Failure::Refused(error) if error.kind() == CROSS_SLOT)
    }

    /// The URL cannot be meant. The text must not repeat any of it.
    pub(super) fn address(what: &'static str) -> Self {
        Self(Failure::Address(what))
    }

    pub(super) fn refused(error: RedisError) -> Self {
        Self(Failure::Refused(error))
    }

    pub(super) fn away(error: RedisError) -> Self {
        Self(Failure::Away(error))
    }

    pub(super) fn timed_out(deadline: Duration) -> Self {
        Self(Failure::TimedOut(deadline))
    }

    pub(super) fn malformed(key: String) -> Self {
        Self(Failure::Malformed(key))
    }

    pub(super) fn not_replicated(confirmed: usize, wanted: usize) -> Self {
        Self(Failure::NotReplicated { confirmed, wanted })
    }
}

impl From<RedisError> for RedisStoreError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::TryAgain,
            ) => Self::away(error),
            _ => Self::refused(error),
        }
    }
}

impl fmt::Display for RedisStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Address(what) => write!(f, "the address of the Redis server cannot be used: {what}"),
            Failure::Refused(_) => f.write_str(
                "the Redis server refused: check its version (6.2 or later), the credentials, and what they permit",
            ),
            Failure::Away(_) => f.write_str(
                "the Redis server cannot be reached: check that it runs, and the address; the connection is being \
                 made again",
            ),
            Failure::TimedOut(deadline) => write!(
                f,
                "the Redis server did not answer within {deadline:?}: check its load and the network, or allow it more \
                 time with `RedisStore::builder().with_deadline(…)`"
            ),
            Failure::Malformed(key) => write!(
                f,
                "the value of `{key}` is no session record: something else writes under this prefix, or a newer \
                 version of this crate does; choose another one with `RedisStore::builder().with_key_prefix(…)`"
            ),
            Failure::NotReplicated { confirmed, wanted } => write!(
                f,
                "the session is revoked, but only {confirmed} of {wanted} replicas confirmed it in time, so a fail-over \
                 may undo it: check the replicas, and revoke it again"
            ),
        }
    }
}

impl Error for RedisStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Failure::Refused(error) | Failure::Away(error) => Some(error),
            _ => None,
        }
    }
}
