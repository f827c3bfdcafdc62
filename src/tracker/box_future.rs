//! The future of an operation of a store whose type is hidden.

use std::future::Future;
use std::pin::Pin;

use crate::store::error::StoreError;

/// What the store answers.
pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;
