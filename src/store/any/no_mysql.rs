//! What if MySQL and MariaDB are not compiled in?

use super::{AnyStore, AnyStoreError};

pub(super) async fn connect(_: &str) -> Result<AnyStore, AnyStoreError> {
    Err(AnyStoreError::not_compiled_in("mysql"))
}
