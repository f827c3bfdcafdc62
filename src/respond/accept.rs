//! Content negotiation by `Accept` (RFC 9110, 12.5.1).

use std::cmp::Reverse;
use std::iter::repeat;

use http::HeaderMap;
use http::header::ACCEPT;
use memchr::memchr;

use super::format::ResponseFormat;

/// The media types that can be chosen. Where all else is equal, the first counts.
const OFFERED: [(&[u8], &[u8], ResponseFormat); 4] = [
    (b"text", b"html", ResponseFormat::Html),
    (b"application", b"json", ResponseFormat::Json),
    (b"application", b"problem+json", ResponseFormat::Problem),
    (b"text", b"plain", ResponseFormat::Text),
];

/// Returns the format that `Accept` prefers, or nothing if it names none of ours.
///
/// The weight decides first, then how exactly the format is named, then which is named first. The
/// RFC leaves the last two open; scripts write `application/json, text/plain, */*` and mean JSON.
pub(super) fn preferred(headers: &HeaderMap) -> Option<ResponseFormat> {
    // For each format, the most exact range that covers it, and the first of several. The weight of
    // that range counts, whatever the coarser ones say: `text/html;q=0, */*` accepts all but HTML.
    let mut covered = [None; OFFERED.len()];
    for (order, range) in ranges(headers).enumerate() {
        for (best, (main, sub, _)) in covered.iter_mut().zip(OFFERED) {
            let exactness = range.exactness(main, sub);
            let covers = exactness.map(|exactness| (exactness, Reverse(order), range.weight));
            *best = covers.max(*best);
        }
    }
    covered
        .into_iter()
        .zip(OFFERED)
        .enumerate()
        .filter_map(|(place, (best, (_, _, format)))| {
            let (exactness, order, weight) = best.filter(|(_, _, weight)| *weight > 0)?;
            Some(((weight, exactness, order, Reverse(place)), format))
        })
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, format)| format)
}

/// Returns whether `Accept` asks for HTML by name.
pub(super) fn names_html(headers: &HeaderMap) -> bool {
    ranges(headers).any(|range| range.weight > 0 && range.exactness(b"text", b"html") == Some(2))
}

fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Range<'_>> {
    let lines = headers.get_all(ACCEPT).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(Range::parse)
}

/// One media range of `Accept`.
struct Range<'a> {
    main: &'a [u8],
    sub: &'a [u8],
    /// In thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(range: &'a [u8]) -> Option<Self> {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let (main, sub) = halves(parts.next()?, b'/')?;
        let weight = parts
            .filter_map(|parameter| halves(parameter, b'='))
            .find(|(name, _)| name.eq_ignore_ascii_case(b"q"))
            .map_or(Some(1000), |(_, weight)| thousandths(weight))?;
        Some(Self { main, sub, weight })
    }

    /// Returns how exactly this range names the media type: 2 by name, 1 by its main type, 0 as
    /// anything.
    fn exactness(&self, main: &[u8], sub: &[u8]) -> Option<u8> {
        match (self.main, self.sub) {
            (b"*", b"*") => Some(0),
            (own, b"*") if own.eq_ignore_ascii_case(main) => Some(1),
            // Compares the second half first, since most types differ there.
            (own, exact) if exact.eq_ignore_ascii_case(sub) && own.eq_ignore_ascii_case(main) => {
                Some(2)
            }
            _ => None,
        }
    }
}

/// Splits at the first separator.
fn halves(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at(memchr(separator, text)?);
    Some((before, &after[1..]))
}

/// Returns a weight such as `0.8` in thousandths, unless it is malformed.
fn thousandths(weight: &[u8]) -> Option<u16> {
    let (whole, fraction) = match weight {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] => (whole, fraction),
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().chain(repeat(&b'0')).take(3);
    let fraction = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, fraction) {
        (b'0', fraction) => Some(fraction),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn preferred_of(lines: &[&'static str]) -> Option<ResponseFormat> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, HeaderValue::from_static(line));
        }
        preferred(&headers)
    }

    #[test]
    fn real_clients_get_what_they_can_read() {
        use ResponseFormat::{Html, Json, Problem, Text};
        for (accept, format) in [
            // Firefox, Chromium, Safari
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Some(Html),
            ),
            // axios
            ("application/json, text/plain, */*", Some(Json)),
            // fetch, curl
            ("*/*", Some(Html)),
            ("application/json", Some(Json)),
            (
                "application/problem+json, application/json;q=0.9",
                Some(Problem),
            ),
            ("text/plain", Some(Text)),
            ("application/*", Some(Json)),
            ("text/*;q=0.5, application/json;q=0.4", Some(Html)),
            ("image/png", None),
        ] {
            assert_eq!(preferred_of(&[accept]), format, "{accept}");
        }
        assert_eq!(preferred_of(&[]), None);
    }

    #[test]
    fn weights_are_honoured() {
        use ResponseFormat::{Html, Json, Text};
        for (accept, format) in [
            ("text/html;q=0.4, application/json;q=0.5", Some(Json)),
            ("text/html;q=0.501, application/json;q=0.5", Some(Html)),
            ("text/html;q=0, */*", Some(Json)),
            ("*/*;q=0.1, text/plain;Q=0.2", Some(Text)),
            ("text/html;q=0", None),
            ("text/html;level=1;q=0.1, text/plain;q=0.9", Some(Text)),
        ] {
            assert_eq!(preferred_of(&[accept]), format, "{accept}");
        }
    }

    #[test]
    fn lines_add_up_and_nonsense_is_passed_over() {
        assert_eq!(
            preferred_of(&["text/html;q=0.1", "application/json"]),
            Some(ResponseFormat::Json)
        );
        for nonsense in [
            "",
            ",",
            ";",
            "/;q",
            "text/html;q=2",
            "text/html;q=-1",
            "text/html;q=0.1234",
            "q=1",
            "text/html;q=é",
        ] {
            let mut headers = HeaderMap::new();
            headers.append(
                ACCEPT,
                HeaderValue::from_bytes(nonsense.as_bytes()).unwrap(),
            );
            assert_eq!(preferred(&headers), None, "{nonsense}");
        }
    }
}
