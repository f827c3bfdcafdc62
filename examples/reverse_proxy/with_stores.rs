//! The store that `--store` names.

use std::sync::Arc;

use tower_login_timeout::{AnyStore, BoxError, Clock, StoreEvent, TimedStore};

use crate::ready::Ready;
use crate::{metrics, report};

/// Opens the store that this text names, and the clock of all who share it.
pub async fn open(url: &str) -> Result<(TimedStore<AnyStore>, Arc<dyn Clock>), BoxError> {
    let url = if url == "memory" { "memory:" } else { url };
    let store = AnyStore::builder()
        .with_observer(metrics::observer())
        .with_observer(say)
        .connect(url)
        .await?;
    let clock = store.clock().await?;
    let timed = TimedStore::new(store.kind(), store, metrics::observer());
    Ok((timed, clock))
}

/// Writes what an operator wants to know of the store.
fn say(event: &StoreEvent<'_>) {
    match event {
        StoreEvent::Lost { store, .. } => {
            report::say(&format!("lost the connection to {store}, and tries again"));
        }
        StoreEvent::Reconnected { store, away, .. } => {
            let away = away.as_secs_f32();
            report::say(&format!("connected to {store} again after {away:.1} s"));
        }
        _ => {}
    }
}

impl Ready for TimedStore<AnyStore> {
    async fn is_ready(&self) -> bool {
        self.inner().ready().await.is_ok()
    }
}
