//! Idle and absolute session timeouts for any Tower service, answered `440 Login Time-out` before it runs.
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
//! A [`LoginTimeoutLayer`] answers one question before the wrapped service runs: may this session still act?
//!
//! 1. [Who is asking](IdentifySession)? A [cookie](CookieId), a [bearer token](BearerToken), a [header](HeaderId), or a closure of yours.
//!    The id is hashed to a [`SessionKey`] at once, and is never stored, logged or compared itself.
//! 2. [What is remembered](ActivityStore) of the session? When it began and when it was last active, in a [`MemoryStore`], in
//!    [Redis or a database](#which-store), or in a store of yours.
//! 3. [May it live](Policy)? Not if it was idle for too long, is too old, was ended, or is unknown. Then the service is not called.
//! 4. [What do we say](LoginTimeoutResponse)? `440 Login Time-out` in the format that the client prefers, without its cookie, so that its
//!    next request is an anonymous one and can reach the log-in page.
//!
//! It keeps no session data and logs nobody in: it sits beside whatever does.
//!
//! # How sessions begin and end
//!
//! With a cookie, without a line of code: the layer sees the `Set-Cookie` that your application answers a log-in with, and
//! [the one that removes it](CookieId#what-begins-and-ends-a-session).
//!
//! With a token that your application hands out, a [`Tracker`] is told: [`start`](Tracker::start) at log-in, [`revoke`](Tracker::revoke) at
//! log-out. Where tokens are minted elsewhere, [`begin_unknown`](PolicyBuilder::begin_unknown) begins a session with the first request.
//!
//! In a handler, the [`SessionHandle`] among the request's extensions knows how much time is left, and can extend or end the session.
//!
//! # Which requests count
//!
//! Polling would keep a session alive for ever. [`with_passive`](LoginTimeoutLayer::with_passive) marks requests that are checked but do not
//! count as activity, and [`with_exempt`](LoginTimeoutLayer::with_exempt) those that are not even checked: the log-in page, static files. The
//! module [`rule`] has what is needed most.
//!
//! # Which store
//!
//! A [`MemoryStore`] belongs to one process and is empty when that starts. For sessions that survive a restart, or several nodes behind a load
//! balancer, there are `SqliteStore`, `PostgresStore`, `MySqlStore` and `RedisStore`, each behind a feature, and `CachedStore` in front of any of
//! them. `AnyStore` chooses one by a text such as `redis://localhost`. The README has a table of what each promises.
//!
//! A store of your own implements [`ActivityStore`]. With the feature `conformance`, the contract is a suite of tests that it can be run through.
//!
//! # Testing your application
//!
//! Nothing here asks the time but the layer's [`Clock`]. Give it a [`ManualClock`], as the example above does, and sessions expire without
//! anyone sleeping.
//!
//! # What is guaranteed
//!
//! - An expired, revoked, unknown or conflicting session never reaches the wrapped service.
//! - A live session is never answered 440.
//! - Nothing revives a session that has ended: not a slow request, a retry, a replay or a late write.
//! - The absolute timeout holds whatever the activity.
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
//! | `axum` | [`SessionHandle`] as an extractor |
//! | `tracing` | an event for each expiry and each store failure |
//! | `signed`, `private` | session ids in signed and encrypted cookies |
//! | `redis`, `redis-tls` | `RedisStore`: one server, Sentinel or Cluster, of Redis or Valkey |
//! | `sqlite`, `postgres`, `mysql`, `sql-tls` | `SqliteStore`, `PostgresStore` and `MySqlStore`; they need Rust 1.94, as sqlx does |
//! | `cached` | `CachedStore`, a near cache in front of a store that several nodes share |
//! | `conformance` | the contract of a store as a test suite |
//! | `full` | all of these |
//!
//! No feature changes what another one does, or what the crate does without it.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod clock;
#[cfg(feature = "axum")]
mod extract;
mod identify;
mod middleware;
mod observe;
mod request;
mod respond;
mod session;
mod store;
mod tracker;

pub use clock::{Clock, ManualClock, SystemClock};
#[cfg(any(feature = "private", feature = "signed"))]
/// The key of signed and encrypted cookies.
pub use cookie::Key as CookieKey;
#[cfg(feature = "axum")]
pub use extract::NoSession;
pub use identify::bearer_token::BearerToken;
pub use identify::cookie::cookie_id::{CookieId, CookieIdError, SameSite};
pub use identify::header_id::HeaderId;
pub use identify::identify_session::{Either, IdentifySession, Issued, Presented};
pub use middleware::body::ResponseBody;
pub use middleware::future::ResponseFuture;
pub use middleware::layer::LoginTimeoutLayer;
pub use middleware::service::LoginTimeout;
pub use request::head::RequestHead;
pub use request::rule;
pub use respond::format::ResponseFormat;
pub use respond::response::LoginTimeoutResponse;
pub use respond::response_for_expired::ResponseForExpired;
pub use session::activity::Activity;
pub use session::change::Change;
pub use session::key::SessionKey;
pub use session::limits::Limits;
pub use session::policy::{Policy, PolicyBuilder, StoreFailure, Unknown};
pub use session::policy_error::PolicyError;
pub use session::time::Timestamp;
pub use session::touch::Touch;
pub use session::verdict::{Expired, Reason, Verdict};
pub use store::activity_store::{ActivityStore, BoxError};
#[cfg(feature = "_shared")]
pub use store::any::{any_store::AnyStore, error::AnyStoreError};
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
#[cfg(feature = "conformance")]
pub use store::conformance;
pub use store::error::StoreError;
pub use store::memory::memory_store::MemoryStore;
#[cfg(feature = "redis")]
pub use store::redis::{
    builder::RedisStoreBuilder, error::RedisStoreError, redis_store::RedisStore,
};
#[cfg(feature = "_shared")]
pub use store::shared_store::{Announced, Revocations, SharedStore};
#[cfg(feature = "mysql")]
pub use store::sql::mysql::MySqlStore;
#[cfg(feature = "postgres")]
pub use store::sql::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use store::sql::sqlite::SqliteStore;
#[cfg(feature = "_sql")]
pub use store::sql::{dialect::SqlDatabase, error::SqlError, sql_store::SqlStore};
#[cfg(feature = "_shared")]
pub use store::store_clock::StoreClock;
pub use tracker::{SessionHandle, Tracker};

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
