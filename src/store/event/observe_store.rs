//! The port that stores report events to.

use crate::store::event::store_event::StoreEvent;

/// Is told what happens to a store: for metrics, a log, an alarm.
///
/// Any closure that takes a [`StoreEvent`] is an observer, if it names the type of its argument:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::{Arc, Mutex};
/// use tower_login_timeout::{
///     Activity, ActivityStore, MemoryStore, SessionKey, StoreEvent, Timestamp,
/// };
///
/// let lines = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&lines);
/// let store = MemoryStore::builder()
///     .with_capacity(1)
///     .with_observer(move |event: &StoreEvent<'_>| {
///         if let StoreEvent::Evicted { evicted, .. } = event {
///             log.lock().unwrap().push(format!("{evicted} evicted"));
///         }
///     })
///     .build();
///
/// let now = Timestamp::from_unix_millis(1_700_000_000_000);
/// for id in ["sesame", "linseed"] {
///     store.create(SessionKey::of(id), Activity::began(now), Timestamp::MAX).await?;
/// }
/// assert_eq!(*lines.lock().unwrap(), ["1 evicted"]);
/// # Ok(())
/// # }
/// ```
///
/// `MetricsObserver` is one as well. With the feature `tracing`, every store also logs its events,
/// except for those that only measure: [`StoreEvent::Timed`], [`StoreEvent::Cache`] and
/// [`StoreEvent::Held`].
///
/// An observer is called where the event happens: on the task of a request, or on a task of the
/// store. So it must return soon and must not block.
pub trait ObserveStore: Send + Sync + 'static {
    /// Takes note of an event.
    fn observe_store(&self, event: &StoreEvent<'_>);
}

impl<F> ObserveStore for F
where
    F: Fn(&StoreEvent<'_>) + Send + Sync + 'static,
{
    fn observe_store(&self, event: &StoreEvent<'_>) {
        self(event);
    }
}
