//! The proxy with a near cache in front of its store.

use std::time::Duration;

use tower_login_timeout::BoxError;

use crate::configuration::Configuration;
use crate::metrics;
use crate::options::Options;
use crate::store;

/// How long the last flush may take.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);

/// Serves, and writes the gathered activity before it ends.
pub async fn serve(options: Options, configuration: Configuration) -> Result<(), BoxError> {
    let (shared, clock) = store::open(configuration.store()).await?;
    let store = configuration
        .near_cache(shared.clone())
        .with_observer(metrics::observer())
        .build()?;
    let served = crate::serve(options, configuration, store.clone(), clock, shared).await;
    let flushed = store.flush(FLUSH_WITHIN).await;
    served.and(flushed.map_err(BoxError::from))
}
