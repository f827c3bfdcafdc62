//! Whether the store is up.

/// Tells whether the store is up.
pub trait Ready: Clone + Send + Sync + 'static {
    fn is_ready(&self) -> impl Future<Output = bool> + Send;
}
