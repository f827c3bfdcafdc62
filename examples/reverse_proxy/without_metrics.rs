//! The error for `--metrics` without the feature `metrics`.

use std::net::SocketAddr;

use tower_login_timeout::{ActivityStore, BoxError, LoginTimeoutLayer, ObserveStore, StoreEvent};

use crate::ready::Ready;

/// Takes no note of the store's events.
pub fn observer() -> impl ObserveStore {
    |_: &StoreEvent<'_>| {}
}

/// Refuses to serve.
pub async fn serve<St: ActivityStore>(
    _: SocketAddr,
    _: LoginTimeoutLayer<St>,
    _: impl Ready,
) -> Result<(LoginTimeoutLayer<St>, SocketAddr), BoxError> {
    Err("`--metrics` is not compiled in: add `--features metrics` to the command of cargo".into())
}
