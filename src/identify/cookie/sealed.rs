//! What do signed and encrypted cookies have in common?

use cookie::Cookie;

/// The id that `open` finds in the value as it is, or else in the value with its percent-encoding undone, which is how `cookie`'s jars
/// are commonly written.
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
