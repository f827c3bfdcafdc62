//! Idle and absolute session timeouts for any Tower service, answered `440 Login Time-out` before
//! it runs.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use tower::ServiceExt;
//! use tower_login_timeout::{CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy};
//!
//! let policy = Policy::builder()
//!     .with_idle(Duration::from_secs(15 * 60))
//!     .with_absolute(Duration::from_secs(8 * 3600))
//!     .build()?;
//! let clock = ManualClock::new();
//! let timeouts = LoginTimeoutLayer::new(policy, CookieId::new("sid")?, MemoryStore::new())
//!     // For this example only, so that nobody has to wait.
//!     .with_clock(clock.clone());
//!
//! let app = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .route("/login", get(|| async { [("set-cookie", "sid=sesame; HttpOnly")] }))
//!     .layer(timeouts);
//! let status = async |path: &str, cookie: &str| {
//!     let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
//!     app.clone().oneshot(request).await.unwrap().status()
//! };
//!
//! assert_eq!(status("/", "").await, 200); // nobody's session, nothing to time out
//! assert_eq!(status("/login", "").await, 200); // the layer sees the cookie being set
//! assert_eq!(status("/", "sid=sesame").await, 200);
//! clock.advance(Duration::from_secs(15 * 60));
//! assert_eq!(status("/", "sid=sesame").await, 440);
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! A [`LoginTimeoutLayer`] answers one question before the wrapped service runs: may this session
//! still act?
//!
//! 1. The [identifier](IdentifySession) reads the session id: from a [cookie](CookieId), a [bearer
//!    token](BearerToken), a [header](HeaderId), or with a closure of yours. The id is hashed to a
//!    [`SessionKey`] at once. Only the key is stored, logged or compared.
//! 2. The [store](ActivityStore) has the session's record: when it began, and when it was last
//!    active. It is a [`MemoryStore`], [Redis or a database](#which-store), or a store of yours.
//! 3. The [policy](Policy) decides. A session that was idle for too long, is too old, was ended or
//!    is unknown may not act. Then the wrapped service is not called.
//! 4. The [response](LoginTimeoutResponse) is `440 Login Time-out` in the format that the client
//!    prefers. It removes the cookie, so that the client's next request is anonymous and can reach
//!    the log-in page.
//!
//! The layer keeps no session data and logs nobody in. It sits beside the crate that does.
//!
//! # How sessions begin and end
//!
//! With a cookie, they need no code: the layer watches the `Set-Cookie` of a log-in, of a new id,
//! and [of a log-out](CookieId#what-begins-and-ends-a-session).
//!
//! With a token, the application tells a [`Tracker`]: [`start`](Tracker::start) at log-in,
//! [`revoke`](Tracker::revoke) at log-out. Where another system issues the tokens,
//! [`begin_unknown`](PolicyBuilder::begin_unknown) begins a session with the first request.
//!
//! A handler finds a [`SessionHandle`] in the request's extensions. It says how much time is left,
//! and can extend or end the session.
//!
//! # Which requests count
//!
//! Polling would keep a session alive for ever. [`with_passive`](LoginTimeoutLayer::with_passive)
//! marks requests that are checked and do not count as activity.
//! [`with_exempt`](LoginTimeoutLayer::with_exempt) marks requests that are not even checked: the
//! log-in page, static files. The module [`rule`] has the usual rules.
//!
//! # Which store
//!
//! A [`MemoryStore`] belongs to one process, and is empty when that starts. For sessions that
//! survive a restart, or several nodes behind a load balancer, there are `SqliteStore`,
//! `PostgresStore`, `MySqlStore` and `RedisStore`, each behind a feature, and `CachedStore` in
//! front of any of them. `AnyStore` chooses one by a URL such as `redis://localhost`. The README
//! has a table of what each promises.
//!
//! A store of your own implements [`ActivityStore`]. The feature `conformance` adds a test suite
//! for it.
//!
//! # Anonymous visitors with a session cookie
//!
//! Some frameworks give every visitor a session cookie, logged in or not (Express with
//! `saveUninitialized`, PHP, Rails). The layer begins a session for each such cookie. So a visitor
//! who comes back with an old cookie is told that the session has expired, although nobody had
//! logged in. Use the cookie that only a log-in sets, if there is one. Otherwise say which requests
//! log in, by [`with_visitors`](LoginTimeoutLayer::with_visitors):
//!
//! ```
//! use tower_login_timeout::{CookieId, LoginTimeoutLayer, MemoryStore, Policy, Visitors, rule};
//!
//! let layer = LoginTimeoutLayer::new(
//!     Policy::default(),
//!     CookieId::new("PHPSESSID")?,
//!     MemoryStore::new(),
//! )
//! .with_visitors(Visitors::new().with_log_in(rule::path("/login")));
//! # drop(layer);
//! # Ok::<(), tower_login_timeout::CookieIdError>(())
//! ```
//!
//! # Testing your application
//!
//! The layer asks the time of its [`Clock`] only. Give it a [`ManualClock`], as the example above
//! does, and a test makes sessions expire without sleeping.
//!
//! # What is guaranteed
//!
//! - The wrapped service sees the session that was checked, or none. An expired, revoked, unknown
//!   or conflicting session never reaches it, however its cookie is spelled.
//! - A live session is never answered 440.
//! - Nothing revives a session that has ended: no slow request, retry, replay, late write or
//!   `Set-Cookie`. Only [`Tracker::start`] begins its id anew.
//! - The absolute timeout holds whatever the activity, and under every id that the application
//!   gives the session.
//! - A store that fails or hangs is answered `503 Service Unavailable` within the
//!   [store timeout](PolicyBuilder::with_store_timeout), or [let pass](StoreFailure::Allow).
//! - The wrapped service needs to be [`Clone`], nothing else. Its errors pass untouched.
//! - Memory is bounded, with no background task to start.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `hyper` (default) | the reason phrase on HTTP/1, where hyper alone would write `440 <none>` |
//! | `axum` | [`SessionHandle`] as an extractor; rules see the whole path inside axum's `nest` |
//! | `browser` | the layer answers a page itself: its session's state, and a module that warns its user |
//! | `tracing` | a log event for each expiry and each store failure |
//! | `metrics` | `MetricsObserver`, which counts requests, sessions and store errors for any exporter |
//! | `signed`, `private` | session ids in signed and encrypted cookies |
//! | `redis`, `redis-tls` | `RedisStore`: one server, Sentinel or Cluster, of Redis or Valkey |
//! | `sqlite`, `postgres`, `mysql`, `sql-tls` | `SqliteStore`, `PostgresStore` and `MySqlStore`; they need Rust 1.94, as sqlx does |
//! | `cached` | `CachedStore`, a near cache in front of a store that several nodes share |
//! | `conformance` | the contract of a store as a test suite |
//! | `serde` | `Settings`: what an operator sets, from a file in any format of serde's |
//! | `web-config` | `WebConfig`: the settings of an ASP.NET application, from its `web.config` |
//! | `full` | all of these |
//!
//! Features only add: none changes what another one does.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(docsrs, doc(auto_cfg(hide(feature = "_shared", feature = "_sql"))))]

#[cfg(feature = "browser")]
mod browser;
mod clock;
#[cfg(feature = "axum")]
mod extract;
mod identify;
mod middleware;
mod observe;
mod request;
mod respond;
mod session;
#[cfg(feature = "serde")]
mod settings;
mod store;
mod tracker;

pub use clock::manual::ManualClock;
pub use clock::port::Clock;
pub use clock::sleep::Sleep;
pub use clock::system::SystemClock;
#[cfg(any(feature = "private", feature = "signed"))]
/// The key of signed and encrypted cookies.
pub use cookie::Key as CookieKey;
#[cfg(feature = "axum")]
pub use extract::NoSession;
pub use identify::bearer_token::BearerToken;
pub use identify::cookie::cookie_id::CookieId;
pub use identify::cookie::cookie_id_error::CookieIdError;
pub use identify::cookie::removal::SameSite;
pub use identify::header_id::HeaderId;
pub use identify::identify_session::{Either, IdentifySession, Issued, Presented};
pub use middleware::body::ResponseBody;
pub use middleware::future::ResponseFuture;
pub use middleware::layer::LoginTimeoutLayer;
pub use middleware::service::LoginTimeout;
pub use middleware::visitors::Visitors;
pub use observe::event::{Cause, Event, Outcome, StoreOperation};
pub use observe::key_prefix::KeyPrefix;
#[cfg(feature = "metrics")]
pub use observe::metrics_observer::MetricsObserver;
pub use observe::port::Observe;
pub use request::head::RequestHead;
pub use request::rule;
pub use respond::format::ResponseFormat;
pub use respond::phrase::PhraseError;
pub use respond::response::LoginTimeoutResponse;
pub use respond::response_for_expired::ResponseForExpired;
pub use respond::response_for_unavailable::ResponseForUnavailable;
pub use session::activity::Activity;
pub use session::change::Change;
pub use session::key::SessionKey;
pub use session::limits::Limits;
pub use session::policy::{Policy, PolicyBuilder, StoreFailure, Unknown};
pub use session::policy_error::PolicyError;
pub use session::time::Timestamp;
pub use session::touch::Touch;
pub use session::user::{UserKey, UserLink};
pub use session::verdict::{Expired, Reason, Verdict};
#[cfg(feature = "serde")]
pub use settings::document::Settings;
#[cfg(feature = "serde")]
pub use settings::error::SettingsError;
#[cfg(feature = "web-config")]
pub use settings::web_config::{
    error::WebConfigError, left_out::LeftOut, web_config_file::WebConfig,
};
pub use store::activity_store::{ActivityStore, BoxError};
#[cfg(feature = "_shared")]
#[cfg_attr(
    docsrs,
    doc(cfg(any(
        feature = "redis",
        feature = "sqlite",
        feature = "postgres",
        feature = "mysql",
        feature = "cached"
    )))
)]
pub use store::any::{any_store::AnyStore, builder::AnyStoreBuilder, error::AnyStoreError};
#[cfg(feature = "cached")]
pub use store::cached::builder::CachedStoreBuilder;
#[cfg(feature = "cached")]
pub use store::cached::cached_store::CachedStore;
#[cfg(feature = "cached")]
pub use store::cached::flush_error::FlushError;
#[cfg(feature = "cached")]
pub use store::cached::future::CachedFuture;
#[cfg(feature = "cached")]
pub use store::cached::settings::CachedStoreError;
#[cfg(feature = "_shared")]
#[cfg_attr(
    docsrs,
    doc(cfg(any(
        feature = "redis",
        feature = "sqlite",
        feature = "postgres",
        feature = "mysql",
        feature = "cached"
    )))
)]
pub use store::change_log::{Changed, Changes, LogPosition};
#[cfg(feature = "conformance")]
pub use store::conformance;
pub use store::error::StoreError;
pub use store::event::observe_store::ObserveStore;
pub use store::event::store_event::{StoreEvent, TimedOperation};
pub use store::memory::builder::MemoryStoreBuilder;
pub use store::memory::memory_store::MemoryStore;
#[cfg(feature = "redis")]
pub use store::redis::{
    builder::RedisStoreBuilder, error::RedisStoreError, redis_store::RedisStore,
};
#[cfg(feature = "_shared")]
#[cfg_attr(
    docsrs,
    doc(cfg(any(
        feature = "redis",
        feature = "sqlite",
        feature = "postgres",
        feature = "mysql",
        feature = "cached"
    )))
)]
pub use store::shared_store::{SharedStore, TouchAnswer};
#[cfg(feature = "mysql")]
pub use store::sql::mysql::MySqlStore;
#[cfg(feature = "postgres")]
pub use store::sql::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use store::sql::sqlite::SqliteStore;
#[cfg(feature = "_sql")]
#[cfg_attr(
    docsrs,
    doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql")))
)]
pub use store::sql::{dialect::SqlDatabase, error::SqlError, sql_store::SqlStore};
#[cfg(feature = "_shared")]
#[cfg_attr(
    docsrs,
    doc(cfg(any(
        feature = "redis",
        feature = "sqlite",
        feature = "postgres",
        feature = "mysql",
        feature = "cached"
    )))
)]
pub use store::store_clock::StoreClock;
pub use store::timed::timed_future::TimedFuture;
pub use store::timed::timed_store::TimedStore;
pub use store::user_store::UserStore;
pub use tracker::all_sessions::Tracker;
pub use tracker::ended::Ended;
pub use tracker::session_handle::SessionHandle;
pub use tracker::session_user::{Admission, SessionUser, UserSession};
pub use tracker::users::{Users, UsersError, WhenFull};

/// The README's code compiles and runs. It needs most features, so only a test with all of them
/// does that.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// So does the code of the page about the browser.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../docs/in-the-browser.md")]
struct InTheBrowser;
