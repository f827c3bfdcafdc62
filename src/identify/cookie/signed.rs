//! Session ids in signed cookies.

use std::sync::Arc;

use cookie::{CookieJar, Key};

use super::cookie_id::CookieId;
use super::seal::{Seal, opened};

impl CookieId {
    /// Reads values that are signed by the `cookie` crate's [`SignedJar`](cookie::SignedJar) with
    /// this key, as axum-extra's `SignedCookieJar` does.
    ///
    /// A value counts as an id only if the signature is genuine; anything else is no id, as it is
    /// to the application.
    #[must_use]
    pub fn with_signed(mut self, key: Key) -> Self {
        self.seal = Some(Arc::new(Signed(key)));
        self
    }
}

struct Signed(Key);

impl Seal for Signed {
    fn open(&self, name: &str, value: &str) -> Option<String> {
        let jar = CookieJar::new();
        opened(name, value, |cookie| jar.signed(&self.0).verify(cookie))
    }
}
