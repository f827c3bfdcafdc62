//! Percent-encoding for paths and queries.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// What cannot stand in an address (RFC 3986, 2). A percent sign can: the address may be encoded
/// already.
const NOT_IN_ADDRESS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What cannot stand in a path: it would begin the query or the fragment.
const NOT_IN_PATH: &AsciiSet = &NOT_IN_ADDRESS.add(b'?').add(b'#');

/// What is encoded in a query's value: all but the unreserved characters (RFC 3986, 2.3) and the
/// slash, which may stand in a query.
const NOT_IN_QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Encodes what a browser would encode in an address.
pub(crate) fn encoded_address(address: &str) -> String {
    utf8_percent_encode(address, NOT_IN_ADDRESS).to_string()
}

/// Encodes what a browser would encode in a path, and begins it with one slash.
pub(crate) fn encoded_path(path: &str) -> String {
    let below_root = path.trim_start_matches('/');
    format!("/{}", utf8_percent_encode(below_root, NOT_IN_PATH))
}

/// Encodes a name or a value of a query.
pub(crate) fn encoded_query_value(value: &str) -> String {
    utf8_percent_encode(value, NOT_IN_QUERY_VALUE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_may_stand_in_it() {
        let plain = "/a-b_c.d~e/%20?f=g&h=[i]#j;k,l:m@n!o$p'q(r)s*t+u";
        assert_eq!(encoded_address(plain), plain);
        assert_eq!(
            encoded_address("\t ü\"<>\\^`{|}\u{7f}"),
            "%09%20%C3%BC%22%3C%3E%5C%5E%60%7B%7C%7D%7F"
        );
    }

    #[test]
    fn a_path_begins_with_one_slash_and_has_no_query() {
        for (path, encoded) in [
            ("", "/"),
            ("/", "/"),
            ("static", "/static"),
            ("//static/", "/static/"),
            ("/a b?c#d", "/a%20b%3Fc%23d"),
            ("/%61", "/%61"),
        ] {
            assert_eq!(encoded_path(path), encoded, "{path:?}");
        }
    }

    #[test]
    fn a_query_value_keeps_letters_digits_and_the_slash() {
        assert_eq!(encoded_query_value("/a-b_c.d~e/9"), "/a-b_c.d~e/9");
        assert_eq!(
            encoded_query_value("a&b=c+d%#?ü"),
            "a%26b%3Dc%2Bd%25%23%3F%C3%BC"
        );
    }
}
