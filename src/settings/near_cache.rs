//! The near cache that the settings ask for.

use super::document::Settings;
use crate::store::cached::builder::CachedStoreBuilder;
use crate::store::shared_store::SharedStore;

impl Settings {
    /// Creates the builder of the near cache in front of this store, if the settings have the field
    /// `near_cache`.
    ///
    /// ```
    /// use tower_login_timeout::{MemoryStore, Settings};
    ///
    /// let settings: Settings = toml::from_str(r#"near_cache = { max_staleness = "2s" }"#)?;
    /// let cache = settings.near_cache(MemoryStore::new()).expect("the field is there").build()?;
    ///
    /// assert!(Settings::default().near_cache(MemoryStore::new()).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn near_cache<R: SharedStore>(&self, shared: R) -> Option<CachedStoreBuilder<R>> {
        Some(self.near_cache.as_ref()?.builder(shared))
    }
}
