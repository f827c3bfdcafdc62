//! The error for `--metrics` without the feature `metrics`.

use std::net::SocketAddr;

use tower_login_timeout::{ActivityStore, BoxError, LoginTimeoutLayer};

use crate::ready::Ready;

/// Refuses to serve.
pub async fn serve<St: ActivityStore>(
    _: SocketAddr,
    _: LoginTimeoutLayer<St>,
    _: impl Ready,
) -> Result<(LoginTimeoutLayer<St>, SocketAddr), BoxError> {
    Err("`--metrics` is not compiled in: add `--features metrics` to the command of cargo".into())
}
