//! Values that a file gives as text.

use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a text and parses it. Each error names the field, since the format crate only knows the
/// line.
pub(super) fn parsed<'de, D: Deserializer<'de>, T, E: Display>(
    deserializer: D,
    field: &str,
    expected: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(TextVisitor {
        field,
        expected,
        parse,
        parsed: PhantomData,
    })
}

struct TextVisitor<'a, F, T> {
    field: &'a str,
    expected: &'a str,
    parse: F,
    parsed: PhantomData<T>,
}

impl<T, E: Display, F: Fn(&str) -> Result<T, E>> Visitor<'_> for TextVisitor<'_, F, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` as {}", self.field, self.expected)
    }

    fn visit_str<R: Error>(self, text: &str) -> Result<T, R> {
        (self.parse)(text).map_err(|error| R::custom(format_args!("`{}`: {error}", self.field)))
    }
}

/// Checks that a text is the path of an address, without a query.
pub(super) fn path(text: &str) -> Result<String, String> {
    let is_path_byte = |byte: u8| !byte.is_ascii_control() && !matches!(byte, b'?' | b'#' | b'\\');
    if text.starts_with('/') && text.bytes().all(is_path_byte) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is no path: begin it with a slash, such as \"/static\", and leave out `?`, `#` \
             and `\\`"
        ))
    }
}
