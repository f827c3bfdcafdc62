//! The attributes of a `Set-Cookie`.

use cookie::time::{Date, Month};

use crate::clock::port::Clock;

/// The attributes of a `Set-Cookie` that tell which cookie it sets or removes.
///
/// They are read as browsers read them: the last one that can be read counts, `Max-Age` has
/// precedence over `Expires`, and what a browser ignores is ignored (RFC 6265, 5.2 and 5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// The path, unless the browser takes that of the request.
    pub(super) path: Option<String>,
    /// The domain in lower case, unless it is the host alone.
    pub(super) domain: Option<String>,
    /// Whether a browser removes the cookie on reading this.
    pub(super) expired: bool,
}

impl Attributes {
    /// Reads what follows the name and value.
    pub(super) fn read(attributes: &[u8], clock: &dyn Clock) -> Self {
        let attributes = String::from_utf8_lossy(attributes);
        let mut read = Self::default();
        let (mut max_age, mut expires) = (None, None);
        for attribute in attributes.split(';') {
            let (name, value) = attribute.split_once('=').unwrap_or_default();
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("max-age") {
                max_age = lives_on(value).or(max_age);
            } else if name.eq_ignore_ascii_case("expires") {
                expires = date(value).or(expires);
            } else if name.eq_ignore_ascii_case("path") {
                read.path = value.starts_with('/').then(|| value.to_owned());
            } else if name.eq_ignore_ascii_case("domain") {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                read.domain = Some(domain).filter(|domain| !domain.is_empty());
            }
        }
        read.expired = match (max_age, expires) {
            (Some(lives_on), _) => !lives_on,
            (None, Some(expires)) => {
                let now = i64::try_from(clock.now().as_unix_millis()).unwrap_or(i64::MAX);
                expires.saturating_mul(1_000) <= now
            }
            (None, None) => false,
        };
        read
    }
}

/// Returns whether a `Max-Age` leaves the cookie any time.
fn lives_on(max_age: &str) -> Option<bool> {
    let digits = max_age.strip_prefix('-').unwrap_or(max_age);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits == max_age && digits.bytes().any(|byte| byte != b'0'))
}

/// Returns the date in Unix seconds, read as leniently as browsers do (RFC 6265, 5.1.1).
fn date(text: &str) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let is_delimiter = |c: char| !(c.is_ascii_alphanumeric() || c == ':');
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() && token.contains(':') {
            time = Some(seconds_of_day(token)?);
        } else if let (None, Some(found)) = (day, number(token, 1..=2)) {
            day = Some(u8::try_from(found).ok()?);
        } else if let (None, Some(found)) = (month, month_named(token)) {
            month = Some(found);
        } else if let (None, Some(found)) = (year, number(token, 2..=4)) {
            year = Some(match found {
                0..=69 => found + 2000,
                70..=99 => found + 1900,
                _ => found,
            });
        }
    }
    let date = Date::from_calendar_date(i32::from(year?), month?, day?).ok()?;
    Some(date.midnight().assume_utc().unix_timestamp() + i64::from(time?))
}

fn seconds_of_day(token: &str) -> Option<u32> {
    let mut parts = token.split(':').map(|part| number(part, 1..=2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let is_time = hour < 24 && minute < 60 && second < 60;
    is_time.then(|| u32::from(hour) * 3_600 + u32::from(minute) * 60 + u32::from(second))
}

fn month_named(token: &str) -> Option<Month> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let name = token.get(..3)?.to_ascii_lowercase();
    let place = MONTHS.iter().position(|month| *month == name)?;
    Month::try_from(u8::try_from(place).ok()? + 1).ok()
}

/// The number at the token's beginning, if it has so many digits.
fn number(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u16> {
    let end = token
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(token.len());
    let number = token.get(..end)?;
    digits.contains(&end).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::manual::ManualClock;

    fn removes(attributes: &str) -> bool {
        Attributes::read(attributes.as_bytes(), &ManualClock::new()).expired
    }

    #[test]
    fn dates_are_read_as_browsers_read_them() {
        for epoch in [
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Thu, 1 Jan 1970 00:00:00 GMT",
            "Thursday, 01-Jan-70 00:00:00 GMT",
            "Thursday, 01-Jan-1970 0:0:0 UTC",
            "Thu Jan  1 00:00:00 1970",
            "01 January 1970 00:00:00 -0000",
        ] {
            assert_eq!(date(epoch), Some(0), "{epoch}");
            assert!(removes(&format!(" Path=/; Expires={epoch}")), "{epoch}");
        }
        assert_eq!(date("Fri, 31 Dec 1999 23:59:59 GMT"), Some(946_684_799));
        assert_eq!(date("Sun, 06 Nov 2094 08:49:37 GMT"), Some(3_939_871_777));
        assert_eq!(
            date("Wed, 01 Jan 69 00:00:00 GMT"),
            date("01 Jan 2069 00:00:00")
        );
    }

    #[test]
    fn path_and_domain_are_read_as_browsers_read_them() {
        for (attributes, path, domain) in [
            (
                "Path=/app; Domain=Example.com",
                Some("/app"),
                Some("example.com"),
            ),
            (
                "path=/a; PATH=/b; domain=.example.com",
                Some("/b"),
                Some("example.com"),
            ),
            ("Path=; Domain=", None, None),
            ("Path=relative; Domain=.", None, None),
            ("Secure", None, None),
        ] {
            let read = Attributes::read(attributes.as_bytes(), &ManualClock::new());
            assert_eq!(read.path.as_deref(), path, "{attributes}");
            assert_eq!(read.domain.as_deref(), domain, "{attributes}");
        }
    }

    #[test]
    fn what_is_no_date_is_ignored() {
        for nonsense in [
            "",
            "0",
            "never",
            "Thu, 32 Jan 1970 00:00:00 GMT",
            "Thu, 01 Jan 1970 24:00:00 GMT",
            "Thu, 01 Jan 1970",
            "00:00:00",
            "01 Foo 1970 00:00:00",
            "é",
            "99999999999999999999",
            "30 Feb 2020 00:00:00",
            "::::",
            "1:2:3:4:5",
        ] {
            assert!(!removes(&format!("Expires={nonsense}")), "{nonsense}");
        }
    }

    #[test]
    fn max_age_has_precedence_if_it_is_a_number() {
        let past = "Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        for (max_age, removed) in [
            ("0", true),
            ("-1", true),
            ("00", true),
            ("1", false),
            ("99999999999999999999", false),
            ("", true),
            ("abc", true),
            ("1x", true),
            ("-", true),
        ] {
            assert_eq!(
                removes(&format!("{past}; Max-Age={max_age}")),
                removed,
                "{max_age}"
            );
        }
        assert!(removes("max-age=0"));
        assert!(!removes("max-age=abc"));
        assert!(!removes("secure; HttpOnly"));
    }
}
