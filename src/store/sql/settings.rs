//! The settings of a store: connections, time limits, table and protocol.

use std::time::Duration;

use super::error::SqlError;
use super::table::TableName;
use crate::store::event::store_observers::StoreObservers;

/// The shortest time limit. A shorter one would fail requests on a healthy database.
const MIN_TIMEOUT: Duration = Duration::from_millis(50);

/// The longest time limit.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// How far the clock of the database may step between two reads of the log of changes without being
/// noticed.
///
/// It is more than a slow answer makes of two clocks that agree, and less than a step that an
/// operator would make.
pub(super) const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// The largest pool.
const MAX_POOL: u32 = 10_000;

const BAD_POOL: &str = "`pool` in the database URL is not valid: use a number from 1 to 10000";
const BAD_TIMEOUT: &str = "`timeout` in the database URL is not valid: use a time from `50ms` to \
                           `60s`, such as `500ms` or `2s`";
const BAD_PERSISTENT: &str =
    "`persistent-statements` in the database URL is not valid: use `yes` or `no`";

/// How statements reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// As prepared statements. The connection belongs to the store, which has set its time limits
    /// and isolation level when it was opened.
    Prepared,
    /// As plain text that carries its values, time limits and isolation level.
    ///
    /// The text depends on nothing that was said on the connection before, and changes nothing for
    /// what is said after it. So it works through a pooler that gives each transaction another
    /// connection of the server, and on the connections of an application.
    Text,
}

/// The settings of a store.
///
/// It is public because a trait that bounds a public type names it. Other crates cannot name it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest number of connections, if the URL sets it.
    pub(super) connections: Option<u32>,
    /// The time limit of an operation for which a request waits.
    pub(super) timeout: Duration,
    pub(super) table: TableName,
    pub(super) protocol: Protocol,
    pub(super) observers: StoreObservers,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: None,
            // The layer has the same limit by default.
            timeout: Duration::from_secs(1),
            table: TableName::default(),
            protocol: Protocol::Prepared,
            observers: StoreObservers::default(),
        }
    }
}

impl Settings {
    /// Reads the settings from a URL. Returns them and the URL without them.
    ///
    /// Parameters that are not known here stay in the URL, for sqlx to read.
    pub(super) fn from_url(url: &str) -> Result<(Self, String), SqlError> {
        let mut settings = Self::default();
        let Some((address, query)) = url.split_once('?') else {
            return Ok((settings, url.to_owned()));
        };
        let mut others = Vec::new();
        for parameter in query.split('&') {
            match parameter.split_once('=') {
                Some(("pool", value)) => settings.connections = Some(connections(value)?),
                Some(("timeout", value)) => settings.timeout = timeout(value)?,
                Some(("table", value)) => settings.table = TableName::new(value)?,
                Some(("persistent-statements", value)) => settings.protocol = protocol(value)?,
                _ => others.push(parameter),
            }
        }
        let url = match others.is_empty() {
            true => address.to_owned(),
            false => format!("{address}?{}", others.join("&")),
        };
        Ok((settings, url))
    }

    /// Returns the settings for a pool that belongs to an application.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn of_application() -> Self {
        Self {
            // What is set on a connection would change how it behaves for the application.
            protocol: Protocol::Text,
            ..Self::default()
        }
    }

    /// Returns the time limit of an operation for which no request waits: a batch, a sweep or a
    /// migration.
    pub(super) fn background_timeout(&self) -> Duration {
        self.timeout * 10
    }

    /// Returns for how long a change is in the log, counted from the time that its statement took.
    ///
    /// It is longer than a statement may take from there to the end of its commit: see
    /// [`changes`](super::changes).
    pub(super) fn logged_for(&self) -> Duration {
        logged_for(self.timeout)
    }

    /// Returns the longest time for which a change of any node is in the log.
    pub(super) fn longest_logged_for() -> Duration {
        logged_for(MAX_TIMEOUT)
    }

    /// Returns the time limit to get a connection, including to open a new one.
    pub(super) fn acquire_timeout(&self) -> Duration {
        self.timeout / 2
    }
}

/// Returns the time limit that the server gets for a statement of an operation.
///
/// It is a little shorter than the limit of the operation, so that the server ends the statement
/// first, and the connection stays usable.
pub(super) fn statement_timeout(operation: Duration) -> Duration {
    operation * 9 / 10
}

/// One limit is that of an operation that succeeds. The other is left for the commit of one that
/// failed. MySQL has no limit for locks that is shorter than a second.
fn logged_for(timeout: Duration) -> Duration {
    timeout.max(Duration::from_secs(1)) * 2 + CLOCK_TOLERANCE
}

fn connections(value: &str) -> Result<u32, SqlError> {
    let number = value.parse().ok();
    number
        .filter(|number| (1..=MAX_POOL).contains(number))
        .ok_or(SqlError::refused(BAD_POOL))
}

fn timeout(value: &str) -> Result<Duration, SqlError> {
    let millis = value.strip_suffix("ms").map(|number| (number, 1));
    let seconds = value.strip_suffix('s').map(|number| (number, 1000));
    millis
        .or(seconds)
        .and_then(|(number, unit)| number.parse::<u64>().ok()?.checked_mul(unit))
        .map(Duration::from_millis)
        .filter(|limit| (MIN_TIMEOUT..=MAX_TIMEOUT).contains(limit))
        .ok_or(SqlError::refused(BAD_TIMEOUT))
}

fn protocol(value: &str) -> Result<Protocol, SqlError> {
    match value {
        "yes" => Ok(Protocol::Prepared),
        "no" => Ok(Protocol::Text),
        _ => Err(SqlError::refused(BAD_PERSISTENT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (Settings, String) {
        Settings::from_url(url).unwrap()
    }

    #[test]
    fn settings_are_read_and_other_parameters_stay() {
        let url = "postgres://a:b@c/d?pool=3&sslmode=require&timeout=250ms&table=t&\
                   persistent-statements=no&options[a]=b=c";
        let (settings, rest) = read(url);
        assert_eq!(rest, "postgres://a:b@c/d?sslmode=require&options[a]=b=c");
        assert_eq!(settings.connections, Some(3));
        assert_eq!(settings.timeout, Duration::from_millis(250));
        assert_eq!(settings.table, TableName::new("t").unwrap());
        assert_eq!(settings.protocol, Protocol::Text);
    }

    #[test]
    fn a_url_without_settings_stays_as_it_is() {
        for url in [
            "sqlite:a.db",
            "mysql://a@b/c?ssl-mode=REQUIRED",
            "postgres://[",
            "?",
        ] {
            let (settings, rest) = read(url);
            assert_eq!(rest, url);
            assert_eq!(settings.connections, None);
            assert_eq!(settings.timeout, Duration::from_secs(1));
            assert_eq!(settings.protocol, Protocol::Prepared);
        }
        assert_eq!(read("sqlite:a.db?pool=2").1, "sqlite:a.db");
    }

    #[test]
    fn times_have_a_unit() {
        let limit = |value: &str| read(&format!("x:?timeout={value}")).0.timeout;
        assert_eq!(limit("2s"), Duration::from_secs(2));
        assert_eq!(limit("1500ms"), Duration::from_millis(1500));
    }

    #[test]
    fn a_change_is_logged_for_longer_than_its_statement_may_take() {
        let logged_for = |value: &str| {
            let settings = read(&format!("x:?timeout={value}")).0;
            settings.logged_for()
        };
        assert_eq!(logged_for("50ms"), Duration::from_secs(3));
        assert_eq!(logged_for("1s"), Duration::from_secs(3));
        assert_eq!(logged_for("4s"), Duration::from_secs(9));
        assert_eq!(logged_for("60s"), Settings::longest_logged_for());
    }

    #[test]
    fn wrong_settings_are_errors_that_say_what_is_right() {
        let wrong = [
            ("pool=0", "`pool`"),
            ("pool=10001", "`pool`"),
            ("pool=many", "`pool`"),
            ("timeout=2", "`timeout`"),
            ("timeout=49ms", "`timeout`"),
            ("timeout=61s", "`timeout`"),
            ("timeout=-1s", "`timeout`"),
            ("timeout=99999999999999999999s", "`timeout`"),
            ("timeout=18446744073709551615s", "`timeout`"),
            ("table=a%20b", "table name"),
            ("persistent-statements=maybe", "`persistent-statements`"),
        ];
        for (parameter, named) in wrong {
            let error = Settings::from_url(&format!("x:?{parameter}")).unwrap_err();
            assert!(error.to_string().contains(named), "{parameter}: {error}");
        }
    }
}
