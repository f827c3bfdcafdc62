//! What the proxy is told by the command line, without the feature `serde`.

use std::net::SocketAddr;

use http::uri::Authority;
use tower_login_timeout::{
    ActivityStore, BoxError, CookieId, CookieIdError, LoginTimeoutLayer, LoginTimeoutResponse,
    Policy, PolicyError, ResponseFormat, StoreFailure, Visitors, rule,
};

use crate::browser;
use crate::options::{FormatChoice, LISTEN, Options, StoreFailureChoice, UnknownChoice};

/// What the proxy is told.
pub struct Configuration {
    options: Options,
    upstream: Authority,
}

impl Configuration {
    /// Refuses a file.
    pub fn read(options: &Options) -> Result<Self, BoxError> {
        if options.config.is_some() {
            return Err(
                "`--config` is not compiled in: add `--features serde` to the command of cargo"
                    .into(),
            );
        }
        Ok(Self {
            options: options.clone(),
            upstream: options
                .upstream
                .clone()
                .ok_or("name the application: `--upstream URL`")?,
        })
    }

    /// Is not called, since there is no file.
    pub fn renewed(&self, _: &Options) -> Result<(Self, Vec<&'static str>), BoxError> {
        Ok((Self::read(&self.options)?, Vec::new()))
    }

    pub fn layer<St: ActivityStore>(&self, store: St) -> Result<LoginTimeoutLayer<St>, BoxError> {
        let options = &self.options;
        let mut layer = LoginTimeoutLayer::new(policy(options)?, identify(options)?, store)
            .with_response(response(options));
        for path in &options.passive_path {
            layer = layer.with_passive(rule::path_prefix(path));
        }
        for path in &options.exempt_path {
            layer = layer.with_exempt(rule::path_prefix(path));
        }
        if !options.log_in_path.is_empty() {
            let mut visitors = Visitors::new();
            for path in &options.log_in_path {
                visitors = visitors.with_log_in(rule::path(path));
            }
            for path in &options.log_out_path {
                visitors = visitors.with_log_out(rule::path(path));
            }
            layer = layer.with_visitors(visitors);
        }
        if options.remaining_header {
            layer = layer.with_remaining_header();
        }
        match &options.browser {
            Some(path) => browser::answer_at(path, layer),
            None => Ok(layer),
        }
    }

    pub fn listen(&self) -> SocketAddr {
        self.options.listen.unwrap_or(LISTEN)
    }

    pub fn metrics(&self) -> Option<SocketAddr> {
        self.options.metrics
    }

    pub fn upstream(&self) -> &Authority {
        &self.upstream
    }

    pub fn store(&self) -> &str {
        self.options.store.as_deref().unwrap_or("memory")
    }

    pub fn is_cached(&self) -> bool {
        self.options.cached
    }

    #[cfg(feature = "cached")]
    #[expect(clippy::unused_self, reason = "with a file, this reads it")]
    pub fn near_cache<R: tower_login_timeout::SharedStore>(
        &self,
        shared: R,
    ) -> tower_login_timeout::CachedStoreBuilder<R> {
        tower_login_timeout::CachedStore::builder(shared)
    }
}

fn identify(options: &Options) -> Result<CookieId, CookieIdError> {
    let mut cookie = CookieId::new(options.cookie.clone().unwrap_or_default())?;
    if let Some(path) = &options.cookie_path {
        cookie = cookie.with_path(&**path)?;
    }
    match &options.cookie_domain {
        Some(domain) => cookie.with_domain(&**domain),
        None => Ok(cookie),
    }
}

fn policy(options: &Options) -> Result<Policy, PolicyError> {
    let mut policy = Policy::builder();
    if let Some(idle) = options.idle {
        policy = policy.with_idle(idle);
    }
    if let Some(absolute) = options.absolute {
        policy = policy.with_absolute(absolute);
    }
    if let Some(touch_every) = options.touch_every {
        policy = policy.with_touch_every(touch_every);
    }
    if let Some(StoreFailureChoice::Allow) = options.store_failure {
        policy = policy.with_store_failure(StoreFailure::Allow);
    }
    if let Some(UnknownChoice::Begin) = options.unknown {
        policy = policy.begin_unknown();
    }
    policy.build()
}

fn response(options: &Options) -> LoginTimeoutResponse {
    let format = match options.format {
        None | Some(FormatChoice::Negotiated) => ResponseFormat::Negotiated,
        Some(FormatChoice::Html) => ResponseFormat::Html,
        Some(FormatChoice::Json) => ResponseFormat::Json,
        Some(FormatChoice::Problem) => ResponseFormat::Problem,
        Some(FormatChoice::Text) => ResponseFormat::Text,
    };
    let mut response = LoginTimeoutResponse::new().with_format(format);
    if let Some(name) = &options.return_url_name {
        response = response.with_return_url_name(&**name);
    }
    match &options.login_page {
        Some(page) => response.with_login_page(page),
        None => response,
    }
}
