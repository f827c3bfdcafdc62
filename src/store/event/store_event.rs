//! The events that stores report.

use std::error::Error;
use std::time::Duration;

use crate::session::time::Timestamp;

/// An event in the life of a store, as an [`ObserveStore`](crate::ObserveStore) is told it.
///
/// No event holds a session id or a session key. `store` is the name of a kind of store, such as
/// `redis`, or the name that a [`TimedStore`](crate::TimedStore) was given.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum StoreEvent<'a> {
    /// The store has reached its server for the first time.
    ///
    /// `RedisStore` reports it for each of its connections, and with a Cluster once for all nodes.
    /// A store in a SQL database reports it once for its pool.
    #[non_exhaustive]
    Connected {
        /// The kind of store.
        store: &'static str,
    },
    /// The store cannot reach its server any more. It tries to connect again by itself.
    ///
    /// `RedisStore` reports it for each of its connections, and with a Cluster for the first node
    /// that is lost. A store in a SQL database reports it once for its pool.
    #[non_exhaustive]
    Lost {
        /// The kind of store.
        store: &'static str,
    },
    /// The store has reached its server again, after [`Lost`](StoreEvent::Lost). With a Cluster, it
    /// has reached every node again.
    #[non_exhaustive]
    Reconnected {
        /// The kind of store.
        store: &'static str,
        /// The time since the connection was found lost.
        away: Duration,
    },
    /// A near cache has done this since its last report. It reports with each of its flushes in the
    /// background, so once a second unless `with_flush_every` changes it.
    #[non_exhaustive]
    Cache {
        /// How many touches were answered from memory.
        hits: u64,
        /// How many touches asked the shared store.
        misses: u64,
        /// How many sessions are in memory now.
        sessions: usize,
        /// The time since the log of changes was read to its end last. It is `None` before the
        /// first read, and while no session is in memory.
        log_age: Option<Duration>,
    },
    /// A near cache could not read the log of changes to its end for `max_staleness`. It is
    /// reported once, until the cache has read the log to its end again.
    #[non_exhaustive]
    ChangeLogBehind {
        /// The time since the first read that did not reach the end.
        by: Duration,
    },
    /// The log of changes does not go back to where a near cache had read it. The cache asks the
    /// store about each session before it serves it again.
    ChangeLogCut,
    /// A near cache could not write gathered activity. It tries again with the next flush.
    #[non_exhaustive]
    FlushFailed {
        /// The error. Its [`source`](Error::source) is the store's own.
        error: &'a (dyn Error + Send + Sync + 'static),
    },
    /// A session was changed in a Redis Cluster, and the log of changes could not be written. Other
    /// nodes may see the change up to a minute late.
    #[non_exhaustive]
    ChangeNotLogged {
        /// The key of the log in Redis.
        log: &'a str,
        /// The error. Its [`source`](Error::source) is the store's own.
        error: &'a (dyn Error + Send + Sync + 'static),
    },
    /// A batch skipped rows of a SQL database that cannot be read: their sessions get an error.
    #[non_exhaustive]
    MalformedRows {
        /// The kind of store.
        store: &'static str,
        /// The table.
        table: &'a str,
        /// How many rows of the batch there were.
        rows: usize,
    },
    /// The time of the store's server has stepped by a second or more, and a
    /// `StoreClock` has followed it.
    #[non_exhaustive]
    ClockStepped {
        /// The time that the clock would show now without the step.
        before: Timestamp,
        /// The time that the clock shows now.
        after: Timestamp,
    },
    /// A full [`MemoryStore`](crate::MemoryStore) removed a session that was not revoked, and whose
    /// time was not over. Its user has to log in again.
    #[non_exhaustive]
    Evicted {
        /// How many such sessions the store has removed until now.
        evicted: u64,
    },
    /// A [`MemoryStore`](crate::MemoryStore) remembers so many sessions. It reports this while it
    /// is used: each time that it looks for sessions to remove, some times a second.
    #[non_exhaustive]
    Held {
        /// How many sessions the store remembers.
        sessions: usize,
    },
    /// An operation took longer than the limit of a [`TimedStore`](crate::TimedStore).
    #[non_exhaustive]
    Slow {
        /// The name that the store was given.
        store: &'static str,
        /// What the store was asked to do.
        operation: TimedOperation,
        /// The time until the store answered, or until the caller gave up.
        took: Duration,
    },
    /// An operation ended. A [`TimedStore`](crate::TimedStore) reports each.
    #[non_exhaustive]
    Timed {
        /// The name that the store was given.
        store: &'static str,
        /// What the store was asked to do.
        operation: TimedOperation,
        /// The time until the store answered, or until the caller gave up.
        took: Duration,
    },
}

/// An operation of a store, of which a [`TimedStore`](crate::TimedStore) says how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimedOperation {
    /// [`ActivityStore::create`](crate::ActivityStore::create).
    Create,
    /// [`ActivityStore::begin`](crate::ActivityStore::begin).
    Begin,
    /// [`ActivityStore::load`](crate::ActivityStore::load).
    Load,
    /// [`ActivityStore::touch`](crate::ActivityStore::touch).
    Touch,
    /// [`ActivityStore::change`](crate::ActivityStore::change).
    Change,
    /// [`ActivityStore::revoke`](crate::ActivityStore::revoke).
    Revoke,
    /// `SharedStore::touch_many`.
    TouchMany,
    /// `SharedStore::changes_since`.
    ChangesSince,
    /// [`UserStore::link`](crate::UserStore::link).
    Link,
    /// [`UserStore::links_of`](crate::UserStore::links_of).
    LinksOf,
    /// [`UserStore::link_of`](crate::UserStore::link_of).
    LinkOf,
    /// [`UserStore::unlink`](crate::UserStore::unlink).
    Unlink,
    /// [`UserStore::load_many`](crate::UserStore::load_many).
    LoadMany,
    /// [`UserStore::revoke_many`](crate::UserStore::revoke_many).
    RevokeMany,
}

impl TimedOperation {
    /// Returns the name of the method.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Begin => "begin",
            Self::Load => "load",
            Self::Touch => "touch",
            Self::Change => "change",
            Self::Revoke => "revoke",
            Self::TouchMany => "touch_many",
            Self::ChangesSince => "changes_since",
            Self::Link => "link",
            Self::LinksOf => "links_of",
            Self::LinkOf => "link_of",
            Self::Unlink => "unlink",
            Self::LoadMany => "load_many",
            Self::RevokeMany => "revoke_many",
        }
    }
}
