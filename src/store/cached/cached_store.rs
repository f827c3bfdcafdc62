//! The near cache: a store that answers most requests from memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::cache::{Cache, ForgetOnDrop};
use super::flush_error::FlushError;
use super::future::CachedFuture;
use super::settings::Settings;
use super::shard::Lookup;
use super::worker;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::{ActivityStore, BoxError};
use crate::store::event::store_observers::StoreObservers;
use crate::store::shared_store::SharedStore;

/// A near cache in front of a store that several nodes share. Most requests of an active session
/// cost no round trip.
///
/// # How it knows
///
/// Activity on another node only makes a session live longer. Other changes can make the answer
/// "live" wrong: the session was revoked, was given another id or other limits, or began anew. The
/// shared store keeps a log of these changes ([`changes_since`](SharedStore::changes_since)). The
/// cache reads it four times a second over Redis, and once a second over SQL. It asks again for
/// each session that the log names.
///
/// # What it guarantees
///
/// - **Only a live session is answered from memory.** Every refusal comes from the shared store:
///   unknown, idle, past the absolute timeout, revoked.
/// - **A revocation** on another node is seen when the log is read next. If the log cannot be read,
///   it is seen within `max_staleness`. If the node that revoked the session died before the log
///   had it, it is seen within `max_age`. A revocation through this handle or its clones is seen
///   when it returns. An older answer does not bring the session back. Activity of the session that
///   is not written yet is dropped.
/// - **Age.** An entry is served while the log has been read within `max_staleness`, and until it
///   is `max_age` old. When four fifths of this age are over, one check of the session runs in the
///   background. The age counts from the moment when the shared store was asked, and begins anew
///   with each write of activity. It is measured with a timer that stands still while the machine
///   is suspended. Whether a session is live is judged by the time that the request brings.
/// - **Activity** is gathered and written in sorted batches every `flush_every`: at most once per
///   session and [`touch_every`](crate::PolicyBuilder::with_touch_every). No request waits for a
///   flush. What could not be written is tried again. A session that may end before the next flush
///   is written at once. With a `touch_every`, a session that is active on several nodes may end
///   early by `flush_every` more. While the store fails, activity of more sessions than the
///   capacity is lost.
/// - **A late flush revives nothing.** The shared store judges it as of the time of the write: the
///   time of the request, and what the timer counted since then. The timer does not count while the
///   machine is suspended. So a machine that was suspended between a request and its flush can
///   write activity to a session that has been idle for too long meanwhile.
/// - **A crash** loses the activity of `flush_every` at most. A session may end that much earlier,
///   and never later.
/// - **While the shared store fails**, or takes longer than `shared_timeout`, live sessions go on
///   for `max_stale_on_error` after the last answer or reading of the log. A revocation may go
///   unseen for as long. After that the error is passed on, and the policy's
///   [`StoreFailure`](crate::StoreFailure) decides. An error never counts as an unknown session.
/// - **A crowd is few questions.** The requests of one session that come at once ask once. At most
///   16 questions run at once. What comes meanwhile is asked in batches, so a node that starts
///   learns 100 000 sessions with some hundred round trips.
/// - **Memory is bounded** by a capacity. Entries that are too old to be served are removed.
///
/// # What it saves
///
/// Store operations for each request of one person, where every plain check is one:
///
/// | a request every | nodes | `touch_every` | operations |
/// |---|---|---|---|
/// | 0.5 s | 1 | 0 | 0.52 |
/// | 2 s | 1 | 0 | 1.00 |
/// | 2 s | 1 | 30 s | 0.07 |
/// | 4 s | 1 | 30 s | 0.13 |
/// | 2 s | 4 | 30 s | 0.27 |
/// | 2 s | 20 | 30 s | 0.73 |
///
/// A load balancer that sends the requests of a session to the same node saves most: each node has
/// to learn the session and to write its activity for itself.
///
/// | setting | default |
/// |---|---|
/// | [`max_staleness`](crate::CachedStoreBuilder::with_max_staleness) | 5 s |
/// | [`max_age`](crate::CachedStoreBuilder::with_max_age) | 60 s |
/// | [`max_stale_on_error`](crate::CachedStoreBuilder::with_max_stale_on_error) | 30 s |
/// | [`shared_timeout`](crate::CachedStoreBuilder::with_shared_timeout) | 250 ms |
/// | [`flush_every`](crate::CachedStoreBuilder::with_flush_every) | 1 s |
/// | [`capacity`](crate::CachedStoreBuilder::with_capacity) | 100 000 sessions |
///
/// A passive request costs no round trip either if it asks with [`Touch::passive`].
/// [`load`](ActivityStore::load) does not say the time, so it always asks the shared store.
///
/// It needs a Tokio runtime with time enabled. Background work starts with the first touch. It
/// ends, after a last flush, when the last clone is dropped. Call [`flush`](CachedStore::flush)
/// before the runtime is shut down. Clones share everything.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{
///     Activity, ActivityStore, CachedStore, MemoryStore, Policy, SessionKey, Timestamp,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// // In production this is a `RedisStore` or an `SqlStore`.
/// let shared = MemoryStore::new();
/// let store = CachedStore::builder(shared.clone())
///     .with_max_staleness(Duration::from_secs(3))
///     .build()?;
///
/// let (key, began) = (SessionKey::of("sesame"), Timestamp::from_unix_millis(1_700_000_000_000));
/// let (activity, policy) = (Activity::began(began), Policy::default());
/// store.create(key, activity, policy.keep_until(&activity)).await?;
/// for second in 0..60 {
///     let now = began.saturating_add(Duration::from_secs(second));
///     assert!(store.touch(key, policy.touch(now)).await?.is_some());
/// }
/// store.flush(Duration::from_secs(5)).await?;
/// let stored = shared.load(key).await?.ok_or("it was created")?;
/// assert_eq!(stored.last_activity(), began.saturating_add(Duration::from_secs(59)));
/// # Ok(())
/// # }
/// ```
pub struct CachedStore<R>(Arc<Inner<R>>);

/// What the handles hold. The background work holds the cache alone.
struct Inner<R> {
    cache: Arc<Cache<R>>,
    /// Dropped with the last handle, which ends the background work.
    open: watch::Sender<()>,
}

impl<R: SharedStore> CachedStore<R> {
    /// Creates a near cache in front of this store, with every default.
    #[must_use]
    pub fn new(shared: R) -> Self {
        Self::with_settings(shared, Settings::DEFAULT, StoreObservers::default())
    }

    pub(super) fn with_settings(shared: R, settings: Settings, observers: StoreObservers) -> Self {
        Self(Arc::new(Inner {
            cache: Arc::new(Cache::new(shared, settings, observers)),
            open: watch::Sender::new(()),
        }))
    }

    /// Returns the store behind the cache.
    #[must_use]
    pub fn shared(&self) -> &R {
        &self.0.cache.shared
    }

    /// Writes the gathered activity, for a clean shutdown. Returns when this time is over, whatever
    /// the shared store does.
    ///
    /// Call it after the server has stopped. Choose less time than the process has left:
    /// Kubernetes, for example, kills a process 30 seconds after it was told to stop.
    ///
    /// # Errors
    ///
    /// If the shared store fails, or takes longer. What could not be written stays gathered for the
    /// next flush.
    pub async fn flush(&self, within: Duration) -> Result<(), FlushError> {
        self.0.cache.flush(within).await
    }

    /// Returns how many sessions are in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.cache.len()
    }

    /// Returns whether no session is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn cache(&self) -> Arc<Cache<R>> {
        Arc::clone(&self.0.cache)
    }
}

impl<R: SharedStore> ActivityStore for CachedStore<R> {
    type Error = BoxError;
    type Future<T: Send + 'static> = CachedFuture<T>;

    fn create(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> CachedFuture<()> {
        let cache = self.cache();
        CachedFuture::boxed(async move {
            let hashed = cache.hashed(key);
            let _forget = ForgetOnDrop::new(Arc::clone(&cache), hashed);
            let created = cache.shared.create(key, activity, keep_until).await;
            cache.shard(hashed).drop_activity(hashed);
            created.map_err(Into::into)
        })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> CachedFuture<Activity> {
        let cache = self.cache();
        CachedFuture::boxed(
            async move { cache.begin(cache.hashed(key), activity, keep_until).await },
        )
    }

    fn load(&self, key: SessionKey) -> CachedFuture<Option<Activity>> {
        let cache = self.cache();
        CachedFuture::boxed(async move { cache.load(cache.hashed(key)).await })
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> CachedFuture<Option<Activity>> {
        let Inner { cache, open } = &*self.0;
        if !cache.is_working() {
            worker::start(cache, open);
        }
        let hashed = cache.hashed(key);
        let shard = cache.shard(hashed);
        match cache.lookup(hashed, &touch) {
            Lookup::Hit(known) => {
                shard.count_hit();
                CachedFuture::ready(Some(known))
            }
            Lookup::HitAndCheck(known) => {
                shard.count_hit();
                cache.check_in_background(hashed, touch);
                CachedFuture::ready(Some(known))
            }
            Lookup::Miss => {
                shard.count_miss();
                CachedFuture::boxed(self.cache().touch(hashed, touch))
            }
        }
    }

    fn change(&self, key: SessionKey, change: Change) -> CachedFuture<Option<Activity>> {
        let cache = self.cache();
        CachedFuture::boxed(async move {
            let _forget = ForgetOnDrop::new(Arc::clone(&cache), cache.hashed(key));
            let before = cache.shared.change(key, change).await;
            before.map_err(Into::into)
        })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> CachedFuture<Option<Activity>> {
        let cache = self.cache();
        CachedFuture::boxed(async move {
            let hashed = cache.hashed(key);
            let _forget = ForgetOnDrop::new(Arc::clone(&cache), hashed);
            let revoked = cache.shared.revoke(key, keep_until).await;
            cache.shard(hashed).drop_activity(hashed);
            revoked.map_err(Into::into)
        })
    }
}

impl<R> Clone for CachedStore<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Shows the settings. It does not show the shared store, which may hold credentials.
impl<R> fmt::Debug for CachedStore<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cache = &self.0.cache;
        f.debug_struct("CachedStore")
            .field("settings", &cache.settings)
            .field("len", &cache.len())
            .finish_non_exhaustive()
    }
}
