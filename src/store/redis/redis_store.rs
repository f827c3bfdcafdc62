//! The store: its public type, and its implementation of the store's contract.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::batch;
use super::error::RedisStoreError;
use super::operations::Operations;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::change_log::{Changes, LogPosition};
use crate::store::shared_store::{SharedStore, TouchAnswer};
use crate::store::store_clock::StoreClock;

/// Stores activity in Redis 6.2 or later, or in Valkey, for sessions that outlive a process or are
/// shared by several.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_login_timeout::{Activity, ActivityStore, Clock, Policy, RedisStore, SessionKey};
///
/// let store = RedisStore::connect("redis://127.0.0.1:6379").await?;
/// let clock = store.clock().await?;
/// let activity = Activity::began(clock.now());
/// let keep_until = Policy::default().keep_until(&activity);
/// store.create(SessionKey::of("sesame"), activity, keep_until).await?;
/// assert_eq!(store.load(SessionKey::of("sesame")).await?, Some(activity));
/// # Ok(())
/// # }
/// ```
///
/// # Costs
///
/// An operation is one round trip. [Touches](ActivityStore::touch) that begin at the same moment
/// are sent as a batch, in one script for up to 128 sessions, if their policy has no
/// [`touch_every`](crate::PolicyBuilder::with_touch_every). So each touch costs less the busier the
/// application is. Every other operation is one command on one key. A second round trip is needed
///
/// - for a touch by a policy with a `touch_every`, when last activity is due to move: a `GET` and
///   then a script;
/// - for a [`create`](ActivityStore::create) in the place of a record;
/// - for a change of a record in a Cluster, where the log of changes is on another node;
/// - when a server sees a script for the first time;
/// - once, where a Cluster is behind a single address: it refuses the first batch. In a Cluster
///   every touch is sent by itself.
///
/// A session takes about 200 bytes of Redis' memory, and the log of changes 2.4 MB at most.
///
/// # Guarantees
///
/// - Time comes from the caller, never from Redis. A record's expiry in Redis is housekeeping, and
///   up to a minute late. Where the nodes' clocks differ, give the layer the
///   [clock](RedisStore::clock).
/// - An operation fails within its [deadline](crate::RedisStoreBuilder::with_deadline), half a
///   second by default, and at once while the server is known to be down. The connection is up
///   again within milliseconds of the server, after a restart, a freeze or a network failure.
///   Nothing has to be retried or supervised.
/// - With Sentinels the store follows a fail-over. With a Cluster it follows slots that move and
///   replicas that take over.
/// - A node of a Cluster that is lost or hangs fails its own sessions only. That needs
///   `cluster-require-full-coverage no`: by default, a Cluster refuses to serve anything while one
///   slot is not served.
/// - The [log of changes](SharedStore::changes_since) is a stream of the last 65 536 changes. A
///   change and its entry are one atomic step. In a Cluster the entry is a second step. The change
///   counts although that step fails, and a near cache sees it within a minute.
/// - A value that is not a session record is an error, not an unknown session.
/// - A server that refuses to write still answers checks: they return what they read. Where its
///   memory is full (`OOM`), sessions that are there are also touched and revoked, in place. New
///   sessions are refused. Where too few replicas follow it (`NOREPLICAS`) or its disk is full
///   (`MISCONF`), activity does not move and revoking fails.
///
/// # Settings of the server
///
/// - `maxmemory-policy noeviction`, the default. With any other policy sessions vanish when memory
///   is short, and are then unknown.
/// - `appendonly yes`, if sessions are to survive a restart. With the default `appendfsync
///   everysec`, a machine that loses power loses the last second: activity, new sessions and
///   revocations.
/// - A user of its own, with the rights below and no others. `login-timeout:` stands for the
///   [prefix](crate::RedisStoreBuilder::with_key_prefix).
///
/// ```text
/// ACL SETUSER app on >password resetchannels ~login-timeout:* -@all
///   +hello +get +set +setrange +persist +eval +evalsha +time +xadd +xrange +xrevrange
/// ```
///
/// Some settings need more: `+wait` for replicas, `+cluster|slots +asking` for a Cluster, `+select`
/// for a database, `+role` for a server that speaks RESP2 only. To know whose sessions are
/// ([`Users`](crate::Users)): `+hset +hgetall +hdel +del +exists +pttl +pexpireat`.
///
/// RESP3 is not needed. With it, the store notices a closed connection at once. With RESP2 it does
/// so at its next operation, or within half a second.
///
/// # Reconnecting
///
/// Attempts to connect become rarer the longer they fail: every 3 s while the server is down, and
/// every 30 s while it refuses the credentials. The pauses are random, so that the nodes of an
/// application do not connect all at once. After an outage the store is usually back within a
/// quarter of the time that it lasted, and within 3 s.
///
/// With Sentinels, two have to name the same new master before the store follows them, if the URL
/// names two. They are asked in random order.
///
/// With a Cluster, the store has one connection to each master, and reads from one of the nodes
/// which slots each has: when it connects, and again when a node is down or an answer shows that
/// the slots have moved, every 3 s at most while that lasts. Nothing waits for it.
///
/// TLS leaves the process's default `CryptoProvider` as it is. Where there is none, the store uses
/// *ring* for itself.
///
/// # What a fail-over can lose
///
/// Redis replicates after it has answered. A master that dies loses what it had not replicated yet,
/// usually a few milliseconds: a session that just began is unknown, activity is a little older,
/// and **a revocation is undone**. With
/// [`with_replicas_per_revocation`](crate::RedisStoreBuilder::with_replicas_per_revocation) a
/// revocation waits for replicas and fails where they do not confirm it. Set it to the number of
/// replicas that may take over. A master that is cut off from its Sentinels goes on for a while,
/// and loses what it wrote in that time. `min-replicas-to-write 1` limits that.
///
/// Clones share the connection.
#[derive(Clone)]
pub struct RedisStore(Arc<Operations>);

impl RedisStore {
    pub(super) fn over(operations: Arc<Operations>) -> Self {
        Self(operations)
    }

    pub(super) fn operations(&self) -> &Arc<Operations> {
        &self.0
    }

    /// Creates a clock that follows the server's time, for nodes whose own clocks differ.
    ///
    /// With Sentinels it follows the master's time. With a Cluster it follows the time of the node
    /// that has the slot of the key prefix, which is the same for every node of the application.
    ///
    /// # Errors
    ///
    /// If the server does not answer with its time.
    pub async fn clock(&self) -> Result<StoreClock, RedisStoreError> {
        let store = self.clone();
        let ask = move || {
            let operations = Arc::clone(&store.0);
            async move { operations.in_time(|| operations.time()).await }
        };
        StoreClock::follow_with(ask, self.0.observers.clone()).await
    }
}

/// The future of every operation.
type Answer<T> = Pin<Box<dyn Future<Output = Result<T, RedisStoreError>> + Send>>;

impl ActivityStore for RedisStore {
    type Error = RedisStoreError;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        let operations = Arc::clone(&self.0);
        Box::pin(async move { operations.create(key, activity, keep_until).await })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        let operations = Arc::clone(&self.0);
        Box::pin(async move {
            operations
                .in_time(|| operations.begin(key, activity, keep_until))
                .await
        })
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        let operations = Arc::clone(&self.0);
        Box::pin(async move { operations.in_time(|| operations.load(key)).await })
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        let operations = Arc::clone(&self.0);
        if touch.policy().touch_every().is_zero() && operations.allows_many_keys() {
            return Box::pin(batch::touch(operations, key, touch));
        }
        Box::pin(async move { operations.in_time(|| operations.touch(key, &touch)).await })
    }

    fn change(&self, key: SessionKey, change: Change) -> Answer<Option<Activity>> {
        let operations = Arc::clone(&self.0);
        Box::pin(async move { operations.change(key, change).await })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<Option<Activity>> {
        let operations = Arc::clone(&self.0);
        Box::pin(async move { operations.revoke(key, keep_until).await })
    }
}

impl SharedStore for RedisStore {
    /// Sends up to 128 touches in a round trip, and to a Cluster up to 512. Each round trip has the
    /// whole deadline.
    ///
    /// A touch fails alone where a server of a Cluster does not answer, and where the server
    /// refuses to write.
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Answer<Vec<TouchAnswer<RedisStoreError>>> {
        Box::pin(Arc::clone(&self.0).touch_many(touches))
    }

    /// Reads up to 1000 changes, in one command.
    fn changes_since(&self, position: Option<LogPosition>) -> Answer<Changes> {
        let operations = Arc::clone(&self.0);
        Box::pin(async move {
            operations
                .in_time(|| operations.changes_since(position.as_ref()))
                .await
        })
    }

    /// Returns 250 ms.
    fn read_changes_every(&self) -> Duration {
        Duration::from_millis(250)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("endpoint", &self.0.endpoint)
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}
