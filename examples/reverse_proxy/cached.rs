//! How does a near cache stand in front of the store?

use tower_login_timeout::{BoxError, CachedStore};

use crate::options::Options;
use crate::store;

/// Serves from memory where it can, and writes what it gathered before it ends.
pub async fn serve(options: Options) -> Result<(), BoxError> {
    let (shared, clock) = store::open(&options.store).await?;
    let store = CachedStore::new(shared);
    let served = crate::serve(options, store.clone(), clock).await;
    let flushed = store.flush().await;
    served.and(flushed)
}
