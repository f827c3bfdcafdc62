//! How are most requests answered without a round trip?

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::cache::{Cache, Changing};
use super::future::CachedFuture;
use super::settings::{CachedStoreBuilder, Settings};
use super::shard::Advice;
use super::worker;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::{ActivityStore, BoxError};
use crate::store::shared_store::SharedStore;

/// A near cache in front of a store that several nodes share: most requests of an active session cost no round trip.
///
/// What it promises:
///
/// - **Only a live session is answered from memory.** Whatever ends in a refusal, because the session is unknown, was
///   idle for too long, has reached its absolute timeout or was revoked, comes from the shared store, which is asked
///   first.
/// - **A revocation** anywhere is seen at once where the shared store pushes revocations, and within `max_staleness`
///   where it does not. One through this handle or its clones is seen when it returns. Nothing that was asked before
///   brings the session back. Activity that was not written yet is dropped.
/// - **Age.** An answer younger than `refresh_after` is given as it is. Up to `max_staleness` it is given, while one
///   check at a time of this session runs in the background. After that the shared store is asked first. Age is
///   counted from when the shared store was asked, by a timer that stands still while the machine is suspended;
///   whether a session is live is judged by the time that the request brings.
/// - **Activity** is gathered and written in sorted batches every `flush_every`: once per session and
///   [`touch_every`](crate::PolicyBuilder::with_touch_every) at most. No request waits for a flush. What could not be
///   written is tried again. A session that may end before the next flush is written at once.
/// - **A late flush revives nothing**: it is judged by the shared store as of when it is written.
/// - **A crash** loses the activity of `flush_every` at most, so that a session may end that much earlier, and never
///   later.
/// - **While the shared store fails**, or takes longer than `shared_timeout`, live sessions go on for
///   `max_stale_on_error` after their last answer, and a revocation may go unseen for as long. Then the error is
///   passed on, and the policy's
///   [`StoreFailure`](crate::StoreFailure) decides. An error is never taken for an unknown session.
/// - **Memory is bounded**: by a capacity, and answers that are too old to be given are let go.
///
/// | setting | default |
/// |---|---|
/// | [`refresh_after`](CachedStoreBuilder::with_refresh_after) | 1 s |
/// | [`max_staleness`](CachedStoreBuilder::with_max_staleness) | 5 s |
/// | [`max_stale_on_error`](CachedStoreBuilder::with_max_stale_on_error) | 30 s |
/// | [`shared_timeout`](CachedStoreBuilder::with_shared_timeout) | 250 ms |
/// | [`flush_every`](CachedStoreBuilder::with_flush_every) | 1 s |
/// | [`capacity`](CachedStoreBuilder::with_capacity) | 100 000 sessions |
///
/// A passive request costs no round trip either if it asks with [`Touch::passive`]. [`load`](ActivityStore::load)
/// says nothing of the time, so it is always asked of the shared store.
///
/// It needs a tokio runtime with time enabled. Background work starts with the first touch and ends, after a last
/// flush, when the last clone is dropped; call [`flush`](CachedStore::flush) before the runtime is shut down. Clones
/// share everything.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{Activity, ActivityStore, CachedStore, MemoryStore, Policy, SessionKey, Timestamp};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// // A `RedisStore` or an `SqlStore` elsewhere.
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
/// store.flush().await?;
/// let stored = shared.load(key).await?.ok_or("it was created")?;
/// assert_eq!(stored.last_activity(), began.saturating_add(Duration::from_secs(59)));
/// # Ok(())
/// # }
/// ```
pub struct CachedStore<R>(Arc<Front<R>>);

/// What the handles hold and the background work does not.
struct Front<R> {
    cache: Arc<Cache<R>>,
    /// Dropped with the last handle, which ends the background work.
    open: watch::Sender<()>,
}

impl<R: SharedStore> CachedStore<R> {
    /// A near cache in front of this store, with every default.
    #[must_use]
    pub fn new(shared: R) -> Self {
        Self::with(shared, Settings::DEFAULT)
    }

    /// A near cache in front of this store, with every default, to be changed.
    pub const fn builder(shared: R) -> CachedStoreBuilder<R> {
        CachedStoreBuilder::new(shared)
    }

    pub(super) fn with(shared: R, settings: Settings) -> Self {
        Self(Arc::new(Front {
            cache: Arc::new(Cache::new(shared, settings)),
            open: watch::Sender::new(()),
        }))
    }

    /// The store behind the cache.
    #[must_use]
    pub fn shared(&self) -> &R {
        &self.0.cache.shared
    }

    /// Writes the activity that is gathered: for a clean shutdown.
    ///
    /// # Errors
    ///
    /// The shared store's, or that it took longer than ten seconds. What could not be written stays gathered, and is
    /// tried again.
    pub async fn flush(&self) -> Result<(), BoxError> {
        self.0.cache.flush().await
    }

    /// For how many sessions it keeps an answer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.cache.len()
    }

    /// Whether it keeps none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn cache(&self) -> Arc<Cache<R>> {
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
        CachedFuture::asking(async move {
            let _changing = Changing::new(Arc::clone(&cache), cache.place(key));
            let created = cache.shared.create(key, activity, keep_until).await;
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
        CachedFuture::asking(
            async move { cache.begin(cache.place(key), activity, keep_until).await },
        )
    }

    fn load(&self, key: SessionKey) -> CachedFuture<Option<Activity>> {
        let cache = self.cache();
        CachedFuture::asking(async move { cache.load(cache.place(key)).await })
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> CachedFuture<Option<Activity>> {
        let Front { cache, open } = &*self.0;
        if !cache.is_working() {
            worker::start(cache, open);
        }
        let place = cache.place(key);
        match cache.consult(place, &touch) {
            Advice::Answer(known) => CachedFuture::known(Some(known)),
            Advice::AnswerAndCheck(known) => {
                cache.check_in_background(place, touch);
                CachedFuture::known(Some(known))
            }
            Advice::Ask => CachedFuture::asking(self.cache().ask(place, touch)),
        }
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> CachedFuture<bool> {
        let cache = self.cache();
        CachedFuture::asking(async move {
            let _changing = Changing::new(Arc::clone(&cache), cache.place(key));
            let revoked = cache.shared.revoke(key, keep_until).await;
            revoked.map_err(Into::into)
        })
    }
}

impl<R> Clone for CachedStore<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Shows the settings, and nothing of the store behind it, which may hold credentials.
impl<R> fmt::Debug for CachedStore<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cache = &self.0.cache;
        f.debug_struct("CachedStore")
            .field("settings", &cache.settings)
            .field("len", &cache.len())
            .finish_non_exhaustive()
    }
}
