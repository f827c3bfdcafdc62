//! Seals: how a session id is wrapped in its cookie's value.

#[cfg(any(feature = "private", feature = "signed"))]
use cookie::Cookie;

/// How the id is wrapped in the cookie's value.
pub(super) trait Seal: Send + Sync {
    /// The id, if the value is genuine.
    fn open(&self, name: &str, value: &str) -> Option<String>;
}

#[cfg(any(feature = "private", feature = "signed"))]
/// The id that `open` finds in the value as it is, or else in the value with its percent-encoding
/// undone, which is how `cookie`'s jars are commonly written.
pub(super) fn opened(
    name: &str,
    value: &str,
    open: impl Fn(Cookie<'static>) -> Option<Cookie<'static>>,
) -> Option<String> {
    let pair = format!("{name}={value}");
    let as_it_is = || Cookie::parse(pair.clone()).ok().and_then(&open);
    let decoded = || Cookie::parse_encoded(pair.clone()).ok().and_then(&open);
    as_it_is()
        .or_else(decoded)
        .map(|cookie| cookie.value().to_owned())
}
