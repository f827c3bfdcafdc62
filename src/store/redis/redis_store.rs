//! What is remembered in Redis or Valkey?

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::builder::RedisStoreBuilder;
use super::error::RedisStoreError;
use super::gather;
use super::servers::Servers;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::shared_store::{Revocations, SharedStore};
use crate::store::store_clock::StoreClock;

/// Activity remembered in Redis 6.2 or later, or in Valkey: for sessions that outlive a process and are shared by
/// several.
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
/// # What it costs
///
/// An operation is one round trip. [Touches](ActivityStore::touch) of the same moment by policies without a
/// [`touch_every`](crate::PolicyBuilder::with_touch_every) go together, in one script for up to 128 sessions: the busier
/// the application is, the less each of them costs. Others are one command on one key. A second trip is made
///
/// - for a touch by a policy with a `touch_every`, when last activity is due to move: it is a plain `GET`, and then a
///   script;
/// - when a server sees a script for the first time;
/// - when Redis refuses touches that went together: each is sent again by itself, so that none fails because of another.
///   In a Cluster touches always go by themselves, and so they do, after the first refusal, where a Cluster is behind a
///   single address.
///
/// A session takes about 200 bytes of Redis' memory.
///
/// # What it promises
///
/// - Time comes from the caller, never from Redis: a record's expiry in Redis is housekeeping, and up to a minute late. Where the nodes'
///   clocks differ, give the layer the [clock](RedisStore::clock).
/// - An operation fails within its [deadline](RedisStoreBuilder::with_deadline), half a second by default, and at
///   once while the server is known to be away. The connection comes back within milliseconds of the server, whether
///   that was restarted, frozen or unreachable. There is nothing to retry and nothing to supervise.
/// - With Sentinel it follows a fail-over. With a Cluster it follows slots that move and replicas that take over.
/// - Revocations are [announced](SharedStore::revocations) to every node, usually within a millisecond.
/// - A value that is no record of its own is an error, not an unknown session.
///
/// # What Redis must be told
///
/// - `maxmemory-policy noeviction`, the default: with any other one sessions vanish when memory is short, and are
///   unknown.
/// - `appendonly yes`, if sessions are to survive a restart. With `appendfsync everysec`, the default, a machine that
///   loses power loses a second of activity, and sessions and revocations that began in it.
/// - A user with limited rights needs these, and `+wait` or `+cluster` where that is used:
///
/// ```text
/// ~login-timeout:* &login-timeout:* +@connection +@scripting +get +set +setrange +time +publish +subscribe
/// ```
///
/// # What a fail-over can lose
///
/// Redis replicates after it has answered. When a master dies, what it had not passed on yet is lost, usually a few
/// milliseconds' worth: a session that just began is unknown, activity is a little older, and **a revocation is
/// undone**. With [`with_replicas_per_revocation`](RedisStoreBuilder::with_replicas_per_revocation) a revocation
/// waits for replicas and fails where they do not confirm it; have as many confirm as may take over. A master that is
/// cut off from its Sentinels goes on for a while, and loses what it wrote then; `min-replicas-to-write 1` limits
/// that.
///
/// Clones share the connection.
#[derive(Clone)]
pub struct RedisStore(pub(super) Arc<Servers>);

impl RedisStore {
    /// Connects to the servers that this URL names, with every default.
    ///
    /// - one server: `redis://user:password@host:port/database`, with everything but the host optional;
    /// - the master that Sentinels watch over:
    ///   `redis+sentinel://user:password@host:port,host:port/master-name/database`, with the Sentinels' hosts and the
    ///   server's credentials. Where a Sentinel asks for some itself, they stand before its own host;
    /// - a Cluster: `redis+cluster://user:password@host:port,host:port`, with some of its nodes.
    ///
    /// `rediss`, `rediss+sentinel` and `rediss+cluster` go through TLS, with the feature `redis-tls`. In a user name
    /// or a password, special characters are written as `%40` and the like.
    ///
    /// # Errors
    ///
    /// If the URL cannot be used, or no server answers. Once it is connected, it reconnects for as long as it lives.
    pub async fn connect(url: &str) -> Result<Self, RedisStoreError> {
        Self::builder().connect(url).await
    }

    /// Every default, to be changed.
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder::new()
    }

    /// A clock that follows the server's time, for nodes whose own clocks differ.
    ///
    /// With Sentinel it is the master's time, with a Cluster that of the node which has the slot of the key prefix:
    /// the same one for every node of the application.
    ///
    /// # Errors
    ///
    /// If the server does not tell the time.
    pub async fn clock(&self) -> Result<StoreClock, RedisStoreError> {
        let store = self.clone();
        let ask = move || {
            let servers = Arc::clone(&store.0);
            async move { servers.in_time(|| servers.time()).await }
        };
        StoreClock::follow(ask).await
    }
}

/// What every operation returns.
type Answer<T> = Pin<Box<dyn Future<Output = Result<T, RedisStoreError>> + Send>>;

impl ActivityStore for RedisStore {
    type Error = RedisStoreError;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        let servers = Arc::clone(&self.0);
        Box::pin(async move {
            servers
                .in_time(|| servers.create(key, &activity, keep_until))
                .await
        })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        let servers = Arc::clone(&self.0);
        Box::pin(async move {
            servers
                .in_time(|| servers.begin(key, activity, keep_until))
                .await
        })
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        let servers = Arc::clone(&self.0);
        Box::pin(async move { servers.in_time(|| servers.load(key)).await })
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        let servers = Arc::clone(&self.0);
        if touch.policy().touch_every().is_zero() && servers.go_together() {
            return Box::pin(gather::touch(servers, key, touch));
        }
        Box::pin(async move { servers.in_time(|| servers.touch(key, &touch)).await })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<bool> {
        let servers = Arc::clone(&self.0);
        Box::pin(async move { servers.in_time(|| servers.revoke(key, keep_until)).await })
    }
}

impl SharedStore for RedisStore {
    /// Up to 128 go in each round trip, and each round trip has the whole deadline.
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Answer<()> {
        Box::pin(Arc::clone(&self.0).touch_many(touches))
    }

    /// Announced are all sessions that any node revokes in this store. Whenever the connection was interrupted,
    /// [`Announced::Missed`] follows, once when it is lost and once when it is up again.
    ///
    /// [`Announced::Missed`]: crate::Announced::Missed
    fn revocations(&self) -> Revocations {
        self.0.announcements.listen()
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("servers", &self.0.shown)
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}
