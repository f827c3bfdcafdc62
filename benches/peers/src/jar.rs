//! The session cookies that a contender handed out.

use http::HeaderMap;
use http::header::SET_COOKIE;

use crate::Failure;
use crate::rng::Rng;

/// The `Cookie` headers of many sessions, end to end in one text: ten million of them must fit beside the sessions.
#[derive(Debug, Default)]
pub struct Jar {
    text: String,
    width: usize,
}

impl Jar {
    /// Keeps one more.
    ///
    /// # Errors
    ///
    /// If it is not as long as the others.
    pub fn push(&mut self, cookie: &str) -> Result<(), Failure> {
        if self.text.is_empty() {
            self.width = cookie.len();
        }
        if cookie.is_empty() || cookie.len() != self.width {
            return Err(format!("a session cookie of another length: {cookie:?}").into());
        }
        self.text.push_str(cookie);
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.text.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Any one of them.
    pub fn draw(&self, rng: &mut Rng) -> &str {
        let start = rng.below(self.len()) * self.width;
        &self.text[start..start + self.width]
    }

    /// All of them, a line each.
    pub fn lines(&self) -> String {
        let mut lines = String::with_capacity(self.text.len() + self.len());
        for start in (0..self.len()).map(|number| number * self.width) {
            lines.push_str(&self.text[start..start + self.width]);
            lines.push('\n');
        }
        lines
    }
}

/// What a browser would send back after this response: the names and values of all cookies that it did not remove.
pub fn cookies(headers: &HeaderMap) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for cookie in headers.get_all(SET_COOKIE) {
        let cookie = cookie.to_str().unwrap_or_default();
        if !cookie.contains("Max-Age=0") {
            kept.extend(cookie.split(';').next());
        }
    }
    kept.join("; ")
}
