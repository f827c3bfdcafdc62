//! Which format does the client prefer?

use std::cmp::Reverse;
use std::iter::repeat;

use http::HeaderMap;
use http::header::ACCEPT;

use super::ResponseFormat;

/// What can be chosen, the first where all else is equal.
const OFFERED: [(&str, &str, ResponseFormat); 4] = [
    ("text", "html", ResponseFormat::Html),
    ("application", "json", ResponseFormat::Json),
    ("application", "problem+json", ResponseFormat::Problem),
    ("text", "plain", ResponseFormat::Text),
];

/// The format that `Accept` prefers (RFC 9110, 12.5.1), or nothing if it names none of ours.
///
/// The weight decides, then how exactly the format is named, then which is named first: scripts write
/// `application/json, text/plain, */*` and mean JSON.
pub(super) fn preferred(headers: &HeaderMap) -> Option<ResponseFormat> {
    // For each format the most exact range that covers it, the first of those: its weight counts, whatever coarser ones say.
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

/// Whether `Accept` asks for HTML by name.
pub(super) fn names_html(headers: &HeaderMap) -> bool {
    ranges(headers).any(|range| range.weight > 0 && range.exactness("text", "html") == Some(2))
}

fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Range<'_>> {
    let lines = headers.get_all(ACCEPT).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(Range::parse)
}

/// One media range of `Accept`.
struct Range<'a> {
    main: &'a str,
    sub: &'a str,
    /// In thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(range: &'a str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        let (main, sub) = parts.next()?.split_once('/')?;
        let weight = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("q"))
            .map_or(Some(1000), |(_, weight)| thousandths(weight))?;
        Some(Self { main, sub, weight })
    }

    /// How exactly this range names the media type, if it covers it at all.
    fn exactness(&self, main: &str, sub: &str) -> Option<u8> {
        match (self.main, self.sub) {
            ("*", "*") => Some(0),
            (own, "*") if own.eq_ignore_ascii_case(main) => Some(1),
            (own, exact) if own.eq_ignore_ascii_case(main) && exact.eq_ignore_ascii_case(sub) => {
                Some(2)
            }
            _ => None,
        }
    }
}

/// A weight such as `0.8` in thousandths, unless it is malformed.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(repeat(b'0')).take(3);
    let fraction = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
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
