//! What if MySQL and MariaDB are not compiled in?

use super::{AnyStore, AnyStoreError};

pub(super) async fn connect(_: &str) -> Result<AnyStore, AnyStoreError> {
    Err(AnyStoreError::refused(
        "this program was built without MySQL and MariaDB: build `tower-login-timeout` with the feature `mysql`",
    ))
}
