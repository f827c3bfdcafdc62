//! Whether the store is up.

#![cfg_attr(
    not(feature = "metrics"),
    allow(dead_code, reason = "only the address for monitoring asks")
)]

/// Tells whether the store is up.
pub trait Ready: Clone + Send + Sync + 'static {
    fn is_ready(&self) -> impl Future<Output = bool> + Send;
}
