//! The layer's own answers to a page: the state of its session, and the files of its half.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use crate::browser::assets::Asset;
use crate::browser::endpoint::{Endpoint, not_allowed};
use crate::browser::same_origin::is_same_origin;
use crate::browser::status::Status;
use crate::middleware::config::{Answer, ConfigHandle, Pages};
use crate::middleware::layer::LoginTimeoutLayer;
use crate::middleware::selection::{self, Selection};
use crate::middleware::state::RequestKind;
use crate::observe::event::{Cause, StoreOperation};
use crate::request::head::RequestHead;
use crate::session::key::SessionKey;
use crate::session::verdict::Reason;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::tracker::all_sessions::Tracker;

impl<St: ActivityStore> LoginTimeoutLayer<St> {
    /// Answers a page at this path, whatever is wrapped: the state of its session, and a module
    /// that warns its user before the session ends.
    ///
    /// One line in the page is enough:
    ///
    /// ```html
    /// <script type="module" src="/session/login-timeout.js"></script>
    /// ```
    ///
    /// | request | answer |
    /// |---|---|
    /// | `GET /session` | the state, as JSON. This is no activity. |
    /// | `POST /session` | extends the session |
    /// | `DELETE /session` | ends it, and removes the cookie |
    /// | `GET /session/login-timeout.js` | the module |
    ///
    /// A page of another origin may not extend or end the session: it gets 403.
    ///
    /// `docs/in-the-browser.md` in this package describes what the user sees, the module's options,
    /// and its answers to WCAG 2.2.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::convert::Infallible;
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use tower_login_timeout::{CookieId, LoginTimeoutLayer, MemoryStore, Policy};
    ///
    /// let identify = CookieId::new("sid")?;
    /// let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new())
    ///     .with_browser("/session");
    /// let application = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
    /// let request = Request::get("/session").body(())?;
    /// let response = layer.layer(application).oneshot(request).await?;
    /// assert_eq!(response.headers()["content-type"], "application/json");
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_browser(self, path: &str) -> Self {
        self.with_endpoint(Endpoint::new(path))
    }

    /// As [`with_browser`](LoginTimeoutLayer::with_browser), and has the page warn its user this
    /// long before the end. The default is a minute; less than twenty seconds is too short
    /// (WCAG 2.2, success criterion 2.2.1), and is twenty.
    pub fn with_browser_warning(self, path: &str, before: Duration) -> Self {
        let mut endpoint = Endpoint::new(path);
        endpoint.warn_before = before.max(Duration::from_secs(20));
        self.with_endpoint(endpoint)
    }

    fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.config_mut().pages = Some(Arc::new(endpoint));
        self
    }
}

impl<St: ActivityStore> Pages<St> for Endpoint {
    fn answer(&self, config: &Arc<ConfigHandle<St>>, request: RequestHead<'_>) -> Option<Answer> {
        let name = self.name(request.original_uri().path())?;
        if !name.is_empty() {
            let asset = Asset::named(name)?;
            let response = asset.response(request.method(), request.headers());
            return Some(Box::pin(ready(response)));
        }
        let config = Arc::clone(config);
        let warn_before = self.warn_before;
        let keys = config.identify.identify(request).into_keys();
        let method = request.method();
        if !matches!(*method, Method::GET | Method::POST | Method::DELETE) {
            return Some(Box::pin(ready(not_allowed("GET, POST, DELETE"))));
        }
        if *method != Method::GET && !is_same_origin(request) {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::FORBIDDEN;
            return Some(Box::pin(ready(response)));
        }
        let kind = match *method {
            Method::POST => RequestKind::Active,
            _ => RequestKind::Passive,
        };
        let is_end = *method == Method::DELETE;
        Some(Box::pin(async move {
            if is_end {
                return end(&config, keys, warn_before).await;
            }
            match status(&config, keys, kind).await {
                Ok(status) => status.response(warn_before),
                Err(error) => unavailable(&config, StoreOperation::Check, &error),
            }
        }))
    }
}

/// Returns the state of the session that these ids present.
async fn status<St: ActivityStore>(
    config: &Arc<ConfigHandle<St>>,
    keys: Vec<SessionKey>,
    kind: RequestKind,
) -> Result<Status, StoreError> {
    let now = config.clock.now();
    let key = match keys[..] {
        [] => return Ok(Status::Anonymous),
        [key] => key,
        _ => {
            let select = Box::pin(selection::select(Arc::clone(config), keys, now));
            match config.with_timeout(select).await? {
                Selection::Check { key, .. } => key,
                Selection::Refused { expired, .. } => return Ok(Status::Expired(expired.reason())),
            }
        }
    };
    let touch = config.policy.touch(now);
    let touch = match kind {
        RequestKind::Active => touch,
        RequestKind::Passive => touch.passive(),
    };
    let found = config.with_timeout(config.store.touch(key, touch)).await?;
    let found = found.map(|found| touch.applied_to(found));
    if found.is_none() && config.visitors.is_some() {
        return Ok(Status::Anonymous);
    }
    Ok(Status::of(&config.policy, found, now))
}

/// Ends the session under every id that the request presents, and removes the cookie.
async fn end<St: ActivityStore>(
    config: &Arc<ConfigHandle<St>>,
    keys: Vec<SessionKey>,
    warn_before: Duration,
) -> Response<Bytes> {
    let tracker = Tracker::of(Arc::clone(config));
    let status = match keys.is_empty() {
        true => Status::Anonymous,
        false => Status::Expired(Reason::Revoked),
    };
    for key in keys {
        // The tracker has reported the failure.
        if let Err(error) = tracker.revoke(key).await {
            return config.unavailable(&error);
        }
    }
    let mut response = status.response(warn_before);
    config.identify.forget(response.headers_mut());
    response
}

fn unavailable<St: ActivityStore>(
    config: &ConfigHandle<St>,
    operation: StoreOperation,
    error: &StoreError,
) -> Response<Bytes> {
    config
        .observers
        .store_failed(operation, Cause::Request, error);
    config.unavailable(error)
}
