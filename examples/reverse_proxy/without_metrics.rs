//! The error for `--metrics` without the feature `metrics`.

use std::net::SocketAddr;

use tower_login_timeout::{ActivityStore, BoxError, LoginTimeoutLayer, ObserveStore, StoreEvent};

use crate::ready::Ready;

/// Refuses to install a recorder.
pub fn install() -> Result<(), BoxError> {
    Err("`--metrics` is not compiled in: add `--features metrics` to the command of cargo".into())
}

/// Takes no note of the store's events.
pub fn observer() -> impl ObserveStore {
    |_: &StoreEvent<'_>| {}
}

/// Is not called, since [`install`] refuses.
pub fn observed<St: ActivityStore>(layer: LoginTimeoutLayer<St>) -> LoginTimeoutLayer<St> {
    layer
}

/// Is not called, since [`install`] refuses.
pub async fn serve(address: SocketAddr, _: impl Ready) -> Result<SocketAddr, BoxError> {
    Ok(address)
}
