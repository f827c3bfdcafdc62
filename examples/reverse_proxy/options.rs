//! The options of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Uri};

use crate::trusted::TrustedProxy;

/// Puts idle and absolute session timeouts in front of an application.
// The store's URL may hold a password. So there is no `Debug`, and clap does not parse the URL,
// because its error would show it.
//
// No option has a default here: an option that is not given must not win over the file.
#[derive(Clone, Parser)]
#[command(name = "reverse_proxy")]
pub struct Options {
    /// Read settings from this file, such as examples/reverse_proxy/proxy.toml. Options of the
    /// command line win. SIGHUP reads the file again
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,

    /// Where to listen; port 0 takes any free one [default: 127.0.0.1:8440]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,

    /// The application, such as http://127.0.0.1:8000
    #[arg(long, value_name = "URL", value_parser = upstream, required_unless_present = "config")]
    pub upstream: Option<Authority>,

    /// A proxy in front of this one, such as 10.0.0.1 or 10.0.0.0/8: its `X-Forwarded-Proto` and
    /// `X-Forwarded-Host` are kept; repeatable
    #[arg(long, value_name = "CIDR|IP")]
    pub trusted_proxy: Vec<TrustedProxy>,

    /// The name of the application's session cookie
    #[arg(long, value_name = "NAME", required_unless_present = "config")]
    pub cookie: Option<String>,

    /// The `Path` that the application gives that cookie, needed to remove it [default: /]
    #[arg(long, value_name = "PATH")]
    pub cookie_path: Option<String>,

    /// The `Domain` that the application gives that cookie, if any
    #[arg(long, value_name = "DOMAIN")]
    pub cookie_domain: Option<String>,

    /// The longest time between two requests, such as 20m [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub idle: Option<Duration>,

    /// The longest life of a session, however active it is [default: 8h]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub absolute: Option<Duration>,

    /// How often a session's activity is written at most [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub touch_every: Option<Duration>,

    /// Where activity is remembered: `memory`, which forgets it when this process ends, or one of
    /// sqlite:FILE, postgres://…, mysql://…, redis://…, redis+sentinel://…, redis+cluster://…, if
    /// its feature is compiled in. In the environment, a password is not seen by other users of the
    /// machine [default: memory]
    #[arg(
        long,
        value_name = "URL",
        env = "LOGIN_TIMEOUT_STORE",
        hide_env_values = true
    )]
    pub store: Option<String>,

    /// Answer most requests without asking the store
    #[arg(long)]
    pub cached: bool,

    /// What to do with requests that present a session while the store fails [default: reject]
    #[arg(long, value_enum)]
    pub store_failure: Option<StoreFailureChoice>,

    /// What a session id means that the store does not know [default: expire]
    #[arg(long, value_enum)]
    pub unknown: Option<UnknownChoice>,

    /// Requests below this path are checked, but do not extend the session; repeatable
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub passive_path: Vec<String>,

    /// Requests below this path are not checked; repeatable
    #[arg(long, value_name = "PATH", value_parser = path_below_root)]
    pub exempt_path: Vec<String>,

    /// Anonymous visitors have the cookie too, and a request for this path logs in; repeatable
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub log_in_path: Vec<String>,

    /// A request for this path logs out, without removing the cookie; repeatable
    #[arg(long, value_name = "PATH", value_parser = path, requires = "log_in_path")]
    pub log_out_path: Vec<String>,

    /// The format of the 440 [default: negotiated]
    #[arg(long, value_enum)]
    pub format: Option<FormatChoice>,

    /// Send page navigations of ended sessions there, rather than answer 440
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub login_page: Option<String>,

    /// The parameter that tells the log-in page where to return to; Django's is `next`
    /// [default: returnUrl]
    #[arg(long, value_name = "NAME")]
    pub return_url_name: Option<String>,

    /// Tell live sessions how many seconds they have left, in `login-timeout-remaining`
    #[arg(long)]
    pub remaining_header: bool,

    /// The response header by which the application says whose session it begins; it is taken out
    #[arg(long, value_name = "NAME")]
    pub user_header: Option<HeaderName>,

    /// The secret under which the ids of users are hashed, the same on all nodes
    #[arg(
        long,
        value_name = "SECRET",
        env = "LOGIN_TIMEOUT_USER_SECRET",
        hide_env_values = true
    )]
    pub user_secret: Option<String>,

    /// How many sessions a user may have; a further log-in ends the oldest
    #[arg(long, value_name = "NUMBER", requires = "user_header")]
    pub max_sessions: Option<usize>,

    /// Answer pages there: the state of their session, and a script that warns before its end
    #[arg(long, value_name = "PATH", value_parser = path_below_root)]
    pub browser: Option<String>,

    /// Serve metrics for Prometheus at http://ADDRESS/metrics, and whether the store is up at
    /// http://ADDRESS/-/ready; not for the public
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum StoreFailureChoice {
    /// Answer 503
    Reject,
    /// Let them pass unchecked
    Allow,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum UnknownChoice {
    /// An ended session
    Expire,
    /// A session that begins now
    Begin,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FormatChoice {
    Negotiated,
    Html,
    Json,
    Problem,
    Text,
}

/// Where the proxy listens unless it is told.
pub const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8440);

/// Reads a URL that has a host and a port and nothing else.
pub fn upstream(url: &str) -> Result<Authority, String> {
    let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
    if uri.scheme() != Some(&Scheme::HTTP) || uri.path() != "/" || uri.query().is_some() {
        return Err("write http://HOST:PORT, without a path; https is not supported".to_owned());
    }
    uri.into_parts()
        .authority
        .ok_or_else(|| "write http://HOST:PORT".to_owned())
}

/// Reads a time. To humantime, `M` is a month, which an operator who means minutes would get.
fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(_) if text.contains('M') => Err("write `m` for minutes, or `months`".to_owned()),
        time => time.map_err(|error| error.to_string()),
    }
}

/// Checks that a path begins with a slash and can stand in a header.
fn path(path: &str) -> Result<String, String> {
    if !path.starts_with('/') || HeaderValue::from_str(path).is_err() {
        return Err("write a path that starts with a slash, such as /static".to_owned());
    }
    Ok(path.to_owned())
}

/// Checks a path that must not stand for the whole site: no request would be checked, or the start
/// page would be hidden.
fn path_below_root(text: &str) -> Result<String, String> {
    let path = path(text)?;
    if path.trim_matches('/').is_empty() {
        return Err("`/` is the whole site: name a path below it, such as /static".to_owned());
    }
    Ok(path)
}
