//! How is a header's value taken apart?

use std::mem::replace;

use memchr::memchr_iter;

/// What is between the separators: one part more than there are of those.
pub(crate) fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr_iter(separator, value)
        .chain([value.len()])
        .map(move |end| &value[replace(&mut start, end + 1)..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_separators_may_be_empty() {
        for (value, parts) in [
            ("", vec![""]),
            ("a", vec!["a"]),
            ("a;b", vec!["a", "b"]),
            (";a;;b;", vec!["", "a", "", "b", ""]),
        ] {
            let split: Vec<_> = split(value.as_bytes(), b';').collect();
            let parts: Vec<_> = parts.into_iter().map(str::as_bytes).collect();
            assert_eq!(split, parts, "{value}");
        }
    }
}
