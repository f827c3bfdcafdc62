//! What if SQLite is not compiled in?

use super::{AnyStore, AnyStoreError};

pub(super) async fn connect(_: &str) -> Result<AnyStore, AnyStoreError> {
    Err(AnyStoreError::refused(
        "this program was built without SQLite: build `tower-login-timeout` with the feature `sqlite`",
    ))
}
