//! The parameters of a URL: `?prefix=…&deadline=…&ca=…`.

use std::path::PathBuf;
use std::time::Duration;

use redis::parse_redis_url;

use super::error::RedisStoreError;

/// Settings that stand in a URL, for programs that read only a URL from their configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UrlParameters {
    pub(super) prefix: Option<String>,
    pub(super) deadline: Option<Duration>,
    /// The file of the certificate authority.
    pub(super) authority: Option<PathBuf>,
}

impl UrlParameters {
    /// Splits a URL into the address alone and these parameters. The parameters of a Unix socket's
    /// address stay with it.
    pub(super) fn split(url: &str) -> Result<(String, Self), RedisStoreError> {
        let mut parameters = Self::default();
        let Some((address, query)) = url.split_once('?') else {
            return Ok((url.to_owned(), parameters));
        };
        let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
        let mut left = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = decode(parameter)?;
            match &*name {
                "prefix" => parameters.prefix = Some(value),
                "deadline" => parameters.deadline = Some(duration(&value)?),
                "ca" => parameters.authority = Some(value.into()),
                "db" | "user" | "pass" if is_socket(scheme) => left.push(parameter),
                _ => {
                    return Err(RedisStoreError::address(
                        "it has an unknown parameter: there are `prefix`, `deadline` and `ca`, and \
                         for a Unix socket `db`, `user` and `pass`",
                    ));
                }
            }
        }
        let question_mark = if left.is_empty() { "" } else { "?" };
        let address = format!("{address}{question_mark}{}", left.join("&"));
        Ok((address, parameters))
    }
}

/// Returns whether a scheme stands for a Unix socket.
pub(super) fn is_socket(scheme: &str) -> bool {
    matches!(scheme, "unix" | "redis+unix" | "valkey+unix")
}

fn decode(parameter: &str) -> Result<(String, String), RedisStoreError> {
    let url = parse_redis_url(&format!("redis://localhost/?{parameter}"));
    let pair = url.and_then(|url| {
        let (name, value) = url.query_pairs().next()?;
        Some((name.into_owned(), value.into_owned()))
    });
    pair.ok_or(RedisStoreError::address(
        "its parameters cannot be read: write `?name=value&name=value`",
    ))
}

fn duration(text: &str) -> Result<Duration, RedisStoreError> {
    let millis = text.strip_suffix("ms").map(|number| (number, 1));
    let seconds = || text.strip_suffix('s').map(|number| (number, 1_000));
    let (number, unit) = millis.or_else(seconds).unwrap_or_default();
    let number = number.parse::<u64>().ok().filter(|number| *number > 0);
    number
        .map(|number| Duration::from_millis(number.saturating_mul(unit)))
        .ok_or(RedisStoreError::address(
            "its parameter `deadline` cannot be read: write `500ms` or `2s`",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_taken_off_the_address() {
        let split = |url| UrlParameters::split(url).unwrap();
        assert_eq!(
            split("redis://u:p@a:1/2"),
            ("redis://u:p@a:1/2".to_owned(), UrlParameters::default())
        );
        let (address, parameters) =
            split("redis+cluster://a:1,b:2?prefix=shop%3A&deadline=300ms&ca=%2Fetc%2Fca.pem");
        assert_eq!(address, "redis+cluster://a:1,b:2");
        assert_eq!(parameters.prefix.as_deref(), Some("shop:"));
        assert_eq!(parameters.deadline, Some(Duration::from_millis(300)));
        assert_eq!(parameters.authority, Some("/etc/ca.pem".into()));
        let (address, parameters) = split("redis+unix:///run/a.sock?db=1&deadline=2s&pass=b%26c");
        assert_eq!(address, "redis+unix:///run/a.sock?db=1&pass=b%26c");
        assert_eq!(parameters.deadline, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_wrong_parameter_is_an_error_that_does_not_repeat_it() {
        for url in [
            "redis://a?secret=1",
            "redis://a?prefx=secret",
            "redis://a?deadline=secret",
            "redis://a?deadline=0s",
            "redis://a?deadline=5",
            "redis://a?deadline=ms",
            "redis://a?pass=secret",
        ] {
            let error = UrlParameters::split(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }
}
