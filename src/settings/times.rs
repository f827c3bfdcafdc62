//! Times that a file gives as text, such as `15m`.
//!
//! There is a function for each field, since serde tells a function nothing of the field that it
//! reads, and an error should name it.

use std::time::Duration;

use serde::Deserializer;

use super::text::parsed;

const EXPECTED: &str = "a time with its unit, such as \"15m\"";
const EXPECTED_LIMIT: &str = "a time with its unit, such as \"15m\", or \"none\" for no limit";

/// Defines a function for each field, which reads it with one of the functions below.
macro_rules! times {
    ($($field:ident: $parse:ident, $expected:ident;)*) => {$(
        pub(super) fn $field<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
        where
            D: Deserializer<'de>,
        {
            parsed(deserializer, stringify!($field), $expected, $parse).map(Some)
        }
    )*};
}

times! {
    idle: limit, EXPECTED_LIMIT;
    absolute: limit, EXPECTED_LIMIT;
    touch_every: time, EXPECTED;
    rotation_overlap: time, EXPECTED;
    remember_expired_for: time, EXPECTED;
    store_timeout: longer_than_zero, EXPECTED;
}

#[cfg(feature = "browser")]
times! {
    warn_before: at_least_twenty_seconds, EXPECTED;
}

#[cfg(feature = "cached")]
times! {
    max_staleness: longer_than_zero, EXPECTED;
    max_age: longer_than_zero, EXPECTED;
    max_stale_on_error: longer_than_zero, EXPECTED;
    shared_timeout: longer_than_zero, EXPECTED;
    flush_every: longer_than_zero, EXPECTED;
}

/// Reads a limit of a session's life.
fn limit(text: &str) -> Result<Duration, String> {
    if text == "none" {
        return Ok(Duration::MAX);
    }
    match time(text)? {
        Duration::ZERO => Err(
            "zero would end every session at once: use a longer time, or \"none\" for no limit"
                .to_owned(),
        ),
        limit => Ok(limit),
    }
}

fn longer_than_zero(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("zero is too short: use a longer time".to_owned()),
        time => Ok(time),
    }
}

#[cfg(feature = "browser")]
fn at_least_twenty_seconds(text: &str) -> Result<Duration, String> {
    let time = time(text)?;
    if time < Duration::from_secs(20) {
        // WCAG 2.2, success criterion 2.2.1.
        return Err(format!(
            "{text:?} is too short to react: use at least \"20s\""
        ));
    }
    Ok(time)
}

fn time(text: &str) -> Result<Duration, String> {
    // To humantime, it is a month. An operator who means minutes would switch a timeout off.
    if text
        .split(|letter: char| !letter.is_alphabetic())
        .any(|unit| unit == "M")
    {
        return Err(format!(
            "{text:?} has the unit `M`: write \"m\" for minutes, or \"months\""
        ));
    }
    humantime::parse_duration(text).map_err(|error| {
        format!(
            "{text:?} is no time: write a number and its unit, such as \"15m\", \"8h\", \"500ms\" \
             or \"1h 30m\" ({error})"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        for (text, millis) in [
            ("15m", 900_000),
            ("8h", 28_800_000),
            ("30s", 30_000),
            ("500ms", 500),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "15", "m", "-1s", "15 minuten", "99999999999999999999h"] {
            let error = time(text).unwrap_err();
            assert!(error.contains("is no time"), "{text}: {error}");
        }
    }

    #[test]
    fn minutes_are_not_taken_for_months() {
        for text in ["15M", "1h 30M", "15 M"] {
            let error = time(text).unwrap_err();
            assert!(error.contains("\"m\" for minutes"), "{text}: {error}");
        }
        assert_eq!(
            time("2 months"),
            humantime::parse_duration("2M").map_err(|_| String::new())
        );
    }

    #[test]
    fn only_a_limit_can_be_none_and_none_can_be_zero() {
        assert_eq!(limit("none"), Ok(Duration::MAX));
        assert!(time("none").is_err());
        assert!(limit("0s").is_err());
        assert!(longer_than_zero("0ms").is_err());
    }
}
