//! What if SQLite is not compiled in?

use super::{AnyStore, AnyStoreError};

pub(super) async fn connect(_: &str) -> Result<AnyStore, AnyStoreError> {
    Err(AnyStoreError::not_compiled_in("sqlite"))
}
