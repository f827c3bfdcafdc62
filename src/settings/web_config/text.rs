//! The text of a `web.config`: its size, and its encoding.

use std::borrow::Cow;

use super::error::WebConfigError;

/// The largest file that is read, in bytes. IIS itself reads no file above 250 KB, unless its
/// registry says so.
const MOST_BYTES: usize = 256 * 1024;

/// How often a file may name a namespace. The parser copies an element's namespaces for each
/// element below that declares another one, so many of them would take much memory.
const MOST_NAMESPACES: usize = 250;

/// How many attributes an element may have. The parser compares their names with each other, so
/// many of them would take much time.
const MOST_ATTRIBUTES: usize = 1000;

/// Decodes a file, unless it is too large for a `web.config`.
pub(super) fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, WebConfigError> {
    if bytes.len() > MOST_BYTES {
        return Err(WebConfigError::new(format!(
            "it has {} bytes, and IIS reads no more than 250 KB: check that this is the right file",
            bytes.len()
        )));
    }
    let text = match bytes {
        [0xef, 0xbb, 0xbf, utf8 @ ..] => from_utf8(utf8)?,
        [0xff, 0xfe, utf16 @ ..] => from_utf16(utf16, u16::from_le_bytes)?,
        [0xfe, 0xff, utf16 @ ..] => from_utf16(utf16, u16::from_be_bytes)?,
        utf8 => from_utf8(utf8)?,
    };
    if text.matches("xmlns").count() > MOST_NAMESPACES {
        return Err(too_many(MOST_NAMESPACES, "namespaces"));
    }
    // A `<` can stand in no attribute, so each part has the attributes of one element at most.
    let attributes = |part: &str| part.matches('=').count();
    if text
        .split('<')
        .any(|part| attributes(part) > MOST_ATTRIBUTES)
    {
        return Err(too_many(MOST_ATTRIBUTES, "attributes in one element"));
    }
    Ok(text)
}

fn from_utf8(bytes: &[u8]) -> Result<Cow<'_, str>, WebConfigError> {
    match str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => Err(wrong_encoding()),
    }
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, WebConfigError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(Cow::Owned(text)),
        _ => Err(wrong_encoding()),
    }
}

fn wrong_encoding() -> WebConfigError {
    WebConfigError::new("it is neither UTF-8 nor UTF-16 with a byte order mark: save it as UTF-8")
}

fn too_many(most: usize, what: &str) -> WebConfigError {
    WebConfigError::new(format!(
        "it has more than {most} {what}: check that this is the right file"
    ))
}
