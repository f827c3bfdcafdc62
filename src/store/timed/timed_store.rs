//! The store that measures another one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::timed_future::{Measurement, TimedFuture, Timing};
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
use crate::store::event::observe_store::ObserveStore;
use crate::store::event::store_event::TimedOperation;
use crate::store::event::store_observers::StoreObservers;

/// The limit above which an operation is slow, unless it is set.
const SLOW: Duration = Duration::from_millis(100);

/// Reports how long another store takes: each operation as [`StoreEvent::Timed`], and one that
/// takes longer than a limit as [`StoreEvent::Slow`] too.
///
/// An application that does not need this pays nothing, since no other store measures. Put it
/// around the store that is to be measured: behind a near cache, it measures the shared store.
///
/// An operation that nobody waits for any more ends at that moment. So a store that hangs shows
/// with the time limit of its caller.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::{Arc, Mutex};
/// use tower_login_timeout::{ActivityStore, MemoryStore, SessionKey, StoreEvent, TimedStore};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let operations = Arc::clone(&seen);
/// let store = TimedStore::new("sessions", MemoryStore::new(), move |event: &StoreEvent<'_>| {
///     if let StoreEvent::Timed { store, operation, .. } = event {
///         operations.lock().unwrap().push((*store, operation.as_str()));
///     }
/// });
/// store.load(SessionKey::of("sesame")).await?;
/// assert_eq!(*seen.lock().unwrap(), [("sessions", "load")]);
/// # Ok(())
/// # }
/// ```
///
/// [`StoreEvent::Timed`]: crate::StoreEvent::Timed
/// [`StoreEvent::Slow`]: crate::StoreEvent::Slow
#[derive(Clone)]
pub struct TimedStore<S> {
    store: S,
    timing: Arc<Timing>,
}

impl<S: ActivityStore> TimedStore<S> {
    /// Measures this store. The events call it by this name.
    #[must_use]
    pub fn new(name: &'static str, store: S, observer: impl ObserveStore) -> Self {
        let mut observers = StoreObservers::default();
        observers.push(observer);
        Self {
            store,
            timing: Arc::new(Timing {
                name,
                slow: SLOW,
                observers,
            }),
        }
    }

    /// Sets the time above which an operation is slow. The default is 100 milliseconds.
    #[must_use]
    pub fn with_slow(self, slow: Duration) -> Self {
        let Timing {
            name, observers, ..
        } = &*self.timing;
        Self {
            store: self.store,
            timing: Arc::new(Timing {
                name,
                slow,
                observers: observers.clone(),
            }),
        }
    }

    /// Returns the store that is measured.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.store
    }

    /// Asks the store, and measures the time from here to the answer.
    pub(super) fn timed<F>(
        &self,
        operation: TimedOperation,
        ask: impl FnOnce(&S) -> F,
    ) -> TimedFuture<F> {
        let measurement = Measurement::begin(&self.timing, operation);
        TimedFuture::new(ask(&self.store), measurement)
    }
}

impl<S: ActivityStore> ActivityStore for TimedStore<S> {
    type Error = S::Error;
    type Future<T: Send + 'static> = TimedFuture<S::Future<T>>;

    fn create(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<()> {
        self.timed(TimedOperation::Create, |store| {
            store.create(key, activity, keep_until)
        })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Self::Future<Activity> {
        self.timed(TimedOperation::Begin, |store| {
            store.begin(key, activity, keep_until)
        })
    }

    fn load(&self, key: SessionKey) -> Self::Future<Option<Activity>> {
        self.timed(TimedOperation::Load, |store| store.load(key))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Self::Future<Option<Activity>> {
        self.timed(TimedOperation::Touch, |store| store.touch(key, touch))
    }

    fn change(&self, key: SessionKey, change: Change) -> Self::Future<Option<Activity>> {
        self.timed(TimedOperation::Change, |store| store.change(key, change))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Self::Future<Option<Activity>> {
        self.timed(TimedOperation::Revoke, |store| {
            store.revoke(key, keep_until)
        })
    }
}

impl<S: fmt::Debug> fmt::Debug for TimedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedStore")
            .field("name", &self.timing.name)
            .field("store", &self.store)
            .field("slow", &self.timing.slow)
            .finish_non_exhaustive()
    }
}
