//! The options of the command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use tower_login_timeout::{
    CookieId, CookieIdError, LoginTimeoutResponse, Policy, PolicyError, ResponseFormat,
    StoreFailure,
};

/// Puts idle and absolute session timeouts in front of an application.
// The store's URL may hold a password. So there is no `Debug`, and clap does not parse the URL,
// because its error would show it.
#[derive(Parser)]
#[command(name = "reverse_proxy")]
pub struct Options {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8440")]
    pub listen: SocketAddr,

    /// The application, such as http://127.0.0.1:8000
    #[arg(long, value_name = "URL", value_parser = upstream)]
    pub upstream: Authority,

    /// The name of the application's session cookie
    #[arg(long, value_name = "NAME")]
    cookie: String,

    /// The `Path` that the application gives that cookie, needed to remove it
    #[arg(long, value_name = "PATH", default_value = "/")]
    cookie_path: String,

    /// The `Domain` that the application gives that cookie, if any
    #[arg(long, value_name = "DOMAIN")]
    cookie_domain: Option<String>,

    /// The longest time between two requests, such as 20m
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = humantime::parse_duration)]
    idle: Duration,

    /// The longest life of a session, however active it is
    #[arg(long, value_name = "TIME", default_value = "8h", value_parser = humantime::parse_duration)]
    absolute: Duration,

    /// How often a session's activity is written at most
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    touch_every: Duration,

    /// Where activity is remembered: `memory`, which forgets it when this process ends, or one of
    /// sqlite:FILE, postgres://…, mysql://…, redis://…, redis+sentinel://…, redis+cluster://…, if
    /// its feature is compiled in. In the environment, a password is not seen by other users of the
    /// machine
    #[arg(
        long,
        value_name = "URL",
        default_value = "memory",
        env = "LOGIN_TIMEOUT_STORE",
        hide_env_values = true
    )]
    pub store: String,

    /// Answer most requests without asking the store
    #[arg(long)]
    pub cached: bool,

    /// What to do with requests that present a session while the store fails
    #[arg(long, value_enum, default_value = "reject")]
    store_failure: StoreFailureChoice,

    /// What a session id means that the store does not know
    #[arg(long, value_enum, default_value = "expire")]
    unknown: UnknownChoice,

    /// Requests below this path are checked, but do not extend the session; repeatable
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub passive_path: Vec<String>,

    /// Requests below this path are not checked; repeatable
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub exempt_path: Vec<String>,

    /// The format of the 440
    #[arg(long, value_enum, default_value = "negotiated")]
    format: FormatChoice,

    /// Send page navigations of ended sessions there, rather than answer 440
    #[arg(long, value_name = "PATH", value_parser = path)]
    login_page: Option<String>,

    /// The parameter that tells the log-in page where to return to; Django's is `next`
    #[arg(long, value_name = "NAME", default_value = "returnUrl")]
    return_url_name: String,

    /// Tell live sessions how many seconds they have left, in `login-timeout-remaining`
    #[arg(long)]
    pub remaining_header: bool,

    /// Answer pages there: the state of their session, and a script that warns before its end
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub browser: Option<String>,

    /// Serve metrics for Prometheus at http://ADDRESS/metrics, and whether the store is up at
    /// http://ADDRESS/-/ready; not for the public
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StoreFailureChoice {
    /// Answer 503
    Reject,
    /// Let them pass unchecked
    Allow,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UnknownChoice {
    /// An ended session
    Expire,
    /// A session that begins now
    Begin,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatChoice {
    Negotiated,
    Html,
    Json,
    Problem,
    Text,
}

impl Options {
    pub fn identify(&self) -> Result<CookieId, CookieIdError> {
        let cookie = CookieId::new(&*self.cookie)?.with_path(&*self.cookie_path)?;
        match &self.cookie_domain {
            Some(domain) => cookie.with_domain(&**domain),
            None => Ok(cookie),
        }
    }

    pub fn policy(&self) -> Result<Policy, PolicyError> {
        let policy = Policy::builder()
            .with_idle(self.idle)
            .with_absolute(self.absolute)
            .with_touch_every(self.touch_every)
            .with_store_failure(match self.store_failure {
                StoreFailureChoice::Reject => StoreFailure::Reject,
                StoreFailureChoice::Allow => StoreFailure::Allow,
            });
        match self.unknown {
            UnknownChoice::Expire => policy.build(),
            UnknownChoice::Begin => policy.begin_unknown().build(),
        }
    }

    pub fn response(&self) -> LoginTimeoutResponse {
        let format = match self.format {
            FormatChoice::Negotiated => ResponseFormat::Negotiated,
            FormatChoice::Html => ResponseFormat::Html,
            FormatChoice::Json => ResponseFormat::Json,
            FormatChoice::Problem => ResponseFormat::Problem,
            FormatChoice::Text => ResponseFormat::Text,
        };
        let response = LoginTimeoutResponse::new()
            .with_format(format)
            .with_return_url_name(&*self.return_url_name);
        match &self.login_page {
            Some(page) => response.with_login_page(page),
            None => response,
        }
    }
}

/// Reads a URL that has a host and a port and nothing else.
fn upstream(url: &str) -> Result<Authority, String> {
    let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
    if uri.scheme() != Some(&Scheme::HTTP) || uri.path() != "/" || uri.query().is_some() {
        return Err("write http://HOST:PORT, without a path; https is not supported".to_owned());
    }
    uri.into_parts()
        .authority
        .ok_or_else(|| "write http://HOST:PORT".to_owned())
}

/// Checks that a path begins with a slash and can stand in a header.
fn path(path: &str) -> Result<String, String> {
    if !path.starts_with('/') || HeaderValue::from_str(path).is_err() {
        return Err("write a path that starts with a slash, such as /static".to_owned());
    }
    Ok(path.to_owned())
}
