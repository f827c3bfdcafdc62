//! A jar for the session cookies of a contender.

use http::HeaderMap;
use http::header::SET_COOKIE;

use crate::Failure;
use crate::request::{self, Request};
use crate::rng::Rng;

/// The `Cookie` headers of many sessions. All are in one string, so that ten million of them take
/// little memory.
#[derive(Debug, Default)]
pub struct Jar {
    text: String,
    width: usize,
}

impl Jar {
    /// Adds a cookie. Fails if its length differs from that of the others.
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

    fn len(&self) -> usize {
        self.text.len().checked_div(self.width).unwrap_or(0)
    }

    fn get(&self, number: usize) -> &str {
        &self.text[number * self.width..][..self.width]
    }

    fn draw(&self, rng: &mut Rng) -> &str {
        self.get(rng.below(self.len()))
    }

    /// Makes `count` requests for a page, each with a random cookie.
    pub fn pages(&self, count: usize, rng: &mut Rng) -> Vec<Request> {
        (0..count).map(|_| request::page(self.draw(rng))).collect()
    }

    /// Returns all cookies, one a line.
    pub fn lines(&self) -> String {
        (0..self.len())
            .map(|number| format!("{}\n", self.get(number)))
            .collect()
    }
}

/// Returns the `Cookie` header that a browser sends after this response. It has all cookies but
/// those that the response removes.
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
