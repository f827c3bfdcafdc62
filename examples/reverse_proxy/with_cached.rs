//! The proxy with a near cache in front of its store.

use tower_login_timeout::{BoxError, CachedStore};

use crate::options::Options;
use crate::store;

/// Serves, and writes the gathered activity before it ends.
pub async fn serve(options: Options) -> Result<(), BoxError> {
    let (shared, clock) = store::open(&options.store).await?;
    let store = CachedStore::new(shared);
    let served = crate::serve(options, store.clone(), clock).await;
    let flushed = store.flush().await;
    served.and(flushed)
}
