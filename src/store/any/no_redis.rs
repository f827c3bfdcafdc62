//! What if Redis and Valkey are not compiled in?

use super::{AnyStore, AnyStoreError};

pub(super) async fn connect(_: &str) -> Result<AnyStore, AnyStoreError> {
    Err(AnyStoreError::refused(
        "this program was built without Redis and Valkey: build `tower-login-timeout` with the feature `redis`",
    ))
}
