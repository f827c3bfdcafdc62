//! The background work of a near cache: flush, sweep, and follow the log of changes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::cache::Cache;
use super::follow::follow;
use crate::store::shared_store::SharedStore;

/// Starts the background work, unless it runs already. It ends when the sender of `open` is
/// dropped.
///
/// The work may end early, with the runtime that it was started on or by a panic of the shared
/// store. The next touch then starts it again.
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
    // No task followed the log until now.
    cache.set_all_unconfirmed();
    cache.working.store(true, Ordering::Release);
    runtime.spawn(work(Working(Arc::clone(cache)), open.subscribe()));
}

async fn work<R: SharedStore>(working: Working<R>, mut open: watch::Receiver<()>) {
    let cache = &*working.0;
    let follower = AbortOnDrop(tokio::spawn(follow(Arc::clone(&working.0))));
    while timeout(cache.settings.flush_every, open.changed())
        .await
        .is_err()
    {
        if follower.0.is_finished() {
            return;
        }
        // What could not be written stays gathered, and the next flush tries again.
        let _ = cache.flush_in_background().await;
        cache.sweep();
        cache.report();
    }
    // The last handle is gone, so nothing can be done about an error.
    let _ = cache.flush_in_background().await;
}

/// Clears the mark that the background work runs, however it ended.
struct Working<R>(Arc<Cache<R>>);

impl<R> Drop for Working<R> {
    fn drop(&mut self) {
        self.0.working.store(false, Ordering::Release);
    }
}

/// Aborts the task when it is dropped.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
