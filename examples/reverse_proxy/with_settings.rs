//! What the proxy is told: by the file of `--config`, and by the command line, which wins.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use http::uri::Authority;
use serde::{Deserialize, Deserializer, de};
use toml::{Table, Value};
use tower_login_timeout::{ActivityStore, BoxError, LoginTimeoutLayer, Settings};

use crate::options::{LISTEN, Options, upstream};

/// What only a restart changes.
///
/// A new address or store would be another proxy. With another cookie, the sessions of everybody
/// who is logged in would go unchecked.
const NEEDS_RESTART: [&str; 5] = [
    "listen",
    "metrics",
    "sessions.store",
    "sessions.near_cache",
    "sessions.cookie",
];

/// What the proxy is told.
pub struct Configuration {
    table: Table,
    file: File,
    upstream: Authority,
    is_cached: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename = "file", default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    #[serde(deserialize_with = "authority")]
    upstream: Option<Authority>,
    metrics: Option<SocketAddr>,
    sessions: Settings,
}

impl Configuration {
    /// Reads the file, if there is one, and puts the options over it.
    pub fn read(options: &Options) -> Result<Self, BoxError> {
        let mut table = match &options.config {
            Some(path) => table_of(path)?,
            None => Table::new(),
        };
        put_over(&mut table, options);
        Self::of(table, options)
    }

    /// Reads the file again. Returns what is now in force, and the names of what changed and needs
    /// a restart.
    pub fn renewed(&self, options: &Options) -> Result<(Self, Vec<&'static str>), BoxError> {
        let mut table = Self::read(options)?.table;
        let mut needs_restart = Vec::new();
        for name in NEEDS_RESTART {
            let old = value(&self.table, name);
            if old != value(&table, name) {
                needs_restart.push(name);
                set(&mut table, name, old.cloned());
            }
        }
        Ok((Self::of(table, options)?, needs_restart))
    }

    pub fn layer<St: ActivityStore>(&self, store: St) -> Result<LoginTimeoutLayer<St>, BoxError> {
        Ok(LoginTimeoutLayer::from_settings(
            &self.file.sessions,
            store,
        )?)
    }

    pub fn listen(&self) -> SocketAddr {
        self.file.listen.unwrap_or(LISTEN)
    }

    pub fn metrics(&self) -> Option<SocketAddr> {
        self.file.metrics
    }

    pub fn upstream(&self) -> &Authority {
        &self.upstream
    }

    pub fn store(&self) -> &str {
        self.file.sessions.store()
    }

    pub fn is_cached(&self) -> bool {
        self.is_cached
    }

    #[cfg(feature = "cached")]
    pub fn near_cache<R: tower_login_timeout::SharedStore>(
        &self,
        shared: R,
    ) -> tower_login_timeout::CachedStoreBuilder<R> {
        let builder = self.file.sessions.near_cache(shared.clone());
        builder.unwrap_or_else(|| tower_login_timeout::CachedStore::builder(shared))
    }

    fn of(table: Table, options: &Options) -> Result<Self, BoxError> {
        let mut file: File = table.clone().try_into().map_err(said)?;
        let upstream = file
            .upstream
            .take()
            .ok_or("name the application: `--upstream URL`, or `upstream` in the file")?;
        if file.sessions.cookie().is_none() {
            return Err(
                "name the application's session cookie: `--cookie NAME`, or `name` in \
                 `[sessions.cookie]` of the file"
                    .into(),
            );
        }
        let is_cached = options.cached || value(&table, "sessions.near_cache").is_some();
        Ok(Self {
            table,
            file,
            upstream,
            is_cached,
        })
    }
}

/// Reads a file, and finds its mistakes while their lines are known.
///
/// An error shows the number of the line and not the line, which may hold a password.
fn table_of(path: &Path) -> Result<Table, BoxError> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let with_line = |error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(&text);
        let line = before.matches('\n').count() + 1;
        format!("{}, line {line}: {}", path.display(), error.message())
    };
    toml::from_str::<File>(&text).map_err(with_line)?;
    Ok(toml::from_str(&text).map_err(with_line)?)
}

/// Puts the options that are given in the place of the file's values.
fn put_over(table: &mut Table, options: &Options) {
    let text = |value: &dyn ToString| Some(Value::String(value.to_string()));
    let time = |time: Duration| text(&humantime::format_duration(time));
    let texts = |values: &[String]| Value::from(values.to_vec());
    for (name, value) in [
        ("listen", options.listen.and_then(|address| text(&address))),
        (
            "metrics",
            options.metrics.and_then(|address| text(&address)),
        ),
        (
            "upstream",
            options
                .upstream
                .as_ref()
                .map(|authority| format!("http://{authority}").into()),
        ),
        (
            "sessions.store",
            options.store.as_ref().and_then(|url| text(url)),
        ),
        (
            "sessions.cookie.name",
            options.cookie.as_ref().and_then(|name| text(name)),
        ),
        (
            "sessions.cookie.path",
            options.cookie_path.as_ref().and_then(|path| text(path)),
        ),
        (
            "sessions.cookie.domain",
            options.cookie_domain.as_ref().and_then(|name| text(name)),
        ),
        ("sessions.policy.idle", options.idle.and_then(time)),
        ("sessions.policy.absolute", options.absolute.and_then(time)),
        (
            "sessions.policy.touch_every",
            options.touch_every.and_then(time),
        ),
        (
            "sessions.policy.store_failure",
            options.store_failure.and_then(choice),
        ),
        ("sessions.policy.unknown", options.unknown.and_then(choice)),
        ("sessions.answer.format", options.format.and_then(choice)),
        (
            "sessions.login_page.path",
            options.login_page.as_ref().and_then(|path| text(path)),
        ),
        (
            "sessions.browser.path",
            options.browser.as_ref().and_then(|path| text(path)),
        ),
        (
            "sessions.passive.path_prefixes",
            (!options.passive_path.is_empty()).then(|| texts(&options.passive_path)),
        ),
        (
            "sessions.exempt.path_prefixes",
            (!options.exempt_path.is_empty()).then(|| texts(&options.exempt_path)),
        ),
        (
            "sessions.visitors.log_in.paths",
            (!options.log_in_path.is_empty()).then(|| texts(&options.log_in_path)),
        ),
        (
            "sessions.visitors.log_out.paths",
            (!options.log_out_path.is_empty()).then(|| texts(&options.log_out_path)),
        ),
        (
            "sessions.remaining_header",
            options.remaining_header.then_some(Value::Boolean(true)),
        ),
    ] {
        if value.is_some() {
            set(table, name, value);
        }
    }
    // It only says something about a log-in page.
    if let Some(name) = &options.return_url_name
        && value(table, "sessions.login_page").is_some()
    {
        set(table, "sessions.login_page.return_url_name", text(name));
    }
}

fn choice(choice: impl ValueEnum) -> Option<Value> {
    let name = choice.to_possible_value()?.get_name().to_owned();
    Some(Value::String(name))
}

/// Finds a value by its name: `sessions.store`.
fn value<'a>(table: &'a Table, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        Some((first, rest)) => value(table.get(first)?.as_table()?, rest),
        None => table.get(name),
    }
}

/// Puts a value in its place, or takes it out.
fn set(table: &mut Table, name: &str, new: Option<Value>) {
    match (name.split_once('.'), new) {
        (Some((first, rest)), new) => {
            let inner = table
                .entry(first)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, new);
            }
        }
        (None, Some(new)) => {
            table.insert(name.to_owned(), new);
        }
        (None, None) => {
            table.remove(name);
        }
    }
}

fn authority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Authority>, D::Error> {
    let url = String::deserialize(deserializer)?;
    upstream(&url)
        .map(Some)
        .map_err(|error| de::Error::custom(format_args!("`upstream`: {error}")))
}

fn said(error: toml::de::Error) -> String {
    error.message().to_owned()
}
