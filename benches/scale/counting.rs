//! A store that counts what a near cache asks of the store behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tower_login_timeout::{
    Activity, ActivityStore, Change, Changes, LogPosition, SessionKey, SharedStore, Timestamp,
    Touch, TouchAnswer,
};

#[derive(Clone)]
pub(crate) struct Counting<S> {
    store: S,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    touches: AtomicU64,
    batches: AtomicU64,
    batched: AtomicU64,
    log_reads: AtomicU64,
}

/// What was asked so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// Touches of one session each.
    pub(crate) touches: u64,
    /// Batches of touches.
    pub(crate) batches: u64,
    /// The touches in them.
    pub(crate) batched: u64,
    /// Reads of the log of changes.
    pub(crate) log_reads: u64,
}

impl<S> Counting<S> {
    pub(crate) fn over(store: S) -> Self {
        Self {
            store,
            counts: Arc::default(),
        }
    }

    pub(crate) fn counted(&self) -> Counted {
        let counts = &self.counts;
        Counted {
            touches: counts.touches.load(Ordering::Relaxed),
            batches: counts.batches.load(Ordering::Relaxed),
            batched: counts.batched.load(Ordering::Relaxed),
            log_reads: counts.log_reads.load(Ordering::Relaxed),
        }
    }
}

impl Counted {
    /// Returns how many sessions were asked about or written.
    pub(crate) const fn operations(self) -> u64 {
        self.touches + self.batched
    }

    /// Returns the sum of two counts.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            touches: self.touches + other.touches,
            batches: self.batches + other.batches,
            batched: self.batched + other.batched,
            log_reads: self.log_reads + other.log_reads,
        }
    }

    /// Returns what was asked since an earlier count.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            touches: self.touches - earlier.touches,
            batches: self.batches - earlier.batches,
            batched: self.batched - earlier.batched,
            log_reads: self.log_reads - earlier.log_reads,
        }
    }
}

impl<S: SharedStore> ActivityStore for Counting<S> {
    type Error = S::Error;
    type Future<T: Send + 'static> = S::Future<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> S::Future<()> {
        self.store.create(key, activity, keep_until)
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> S::Future<Activity> {
        self.store.begin(key, activity, keep_until)
    }

    fn load(&self, key: SessionKey) -> S::Future<Option<Activity>> {
        self.store.load(key)
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> S::Future<Option<Activity>> {
        self.counts.touches.fetch_add(1, Ordering::Relaxed);
        self.store.touch(key, touch)
    }

    fn change(&self, key: SessionKey, change: Change) -> S::Future<Option<Activity>> {
        self.store.change(key, change)
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> S::Future<Option<Activity>> {
        self.store.revoke(key, keep_until)
    }
}

impl<S: SharedStore> SharedStore for Counting<S> {
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> S::Future<Vec<TouchAnswer<S::Error>>> {
        let sessions = touches.len() as u64;
        self.counts.batches.fetch_add(1, Ordering::Relaxed);
        self.counts.batched.fetch_add(sessions, Ordering::Relaxed);
        self.store.touch_many(touches)
    }

    fn changes_since(&self, position: Option<LogPosition>) -> S::Future<Changes> {
        self.counts.log_reads.fetch_add(1, Ordering::Relaxed);
        self.store.changes_since(position)
    }

    fn read_changes_every(&self) -> Duration {
        self.store.read_changes_every()
    }
}
