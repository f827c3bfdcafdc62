//! What goes on in the background?

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::cache::Cache;
use crate::store::shared_store::{Announced, Revocations, SharedStore};

/// Starts the background work, unless it runs already. It ends when the sender of `open` is dropped.
///
/// Should it end by accident, with the runtime that it was started on or by a panic of the shared store, the next
/// touch starts it again.
pub(super) fn start<R: SharedStore>(cache: &Arc<Cache<R>>, open: &watch::Sender<()>) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let _starting = cache
        .starting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if cache.is_working() {
        return;
    }
    let revocations = cache.shared.revocations();
    // Nobody has listened until now.
    cache.doubt_all();
    cache.working.store(true, Ordering::Release);
    runtime.spawn(work(
        Shift(Arc::clone(cache)),
        revocations,
        open.subscribe(),
    ));
}

async fn work<R: SharedStore>(
    shift: Shift<R>,
    revocations: Revocations,
    mut open: watch::Receiver<()>,
) {
    let cache = &*shift.0;
    let listening = Listening(tokio::spawn(listen(Arc::clone(&shift.0), revocations)));
    while timeout(cache.settings.flush_every, open.changed())
        .await
        .is_err()
    {
        if listening.0.is_finished() {
            return;
        }
        // What could not be written is still gathered.
        let _ = cache.flush().await;
        cache.sweep();
    }
    // Nobody is left who could be told.
    let _ = cache.flush().await;
}

async fn listen<R: SharedStore>(cache: Arc<Cache<R>>, mut revocations: Revocations) {
    loop {
        match revocations.next().await {
            Announced::Revoked(key) => {
                let place = cache.place(key);
                cache.shard(place).forget(place);
            }
            Announced::Missed => cache.doubt_all(),
        }
    }
}

/// Says that nobody works any more, however the work ended.
struct Shift<R>(Arc<Cache<R>>);

impl<R> Drop for Shift<R> {
    fn drop(&mut self) {
        self.0.working.store(false, Ordering::Release);
    }
}

/// Stops listening when the work ends.
struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}
