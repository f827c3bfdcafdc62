//! Session ids in encrypted cookies.

use std::sync::Arc;

use cookie::{CookieJar, Key};

use super::cookie_id::CookieId;
use super::seal::{Seal, opened};

impl CookieId {
    /// Reads values that are encrypted by the `cookie` crate's [`PrivateJar`](cookie::PrivateJar)
    /// with this key, as axum-extra's `PrivateCookieJar` does.
    ///
    /// A value counts as an id only if it can be decrypted; anything else is no id, as it is to the
    /// application.
    #[must_use]
    pub fn with_private(mut self, key: Key) -> Self {
        self.seal = Some(Arc::new(Private(key)));
        self
    }
}

struct Private(Key);

impl Seal for Private {
    fn open(&self, name: &str, value: &str) -> Option<String> {
        let jar = CookieJar::new();
        opened(name, value, |cookie| jar.private(&self.0).decrypt(cookie))
    }
}
